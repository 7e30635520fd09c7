# Completion of mesh for bash.
_mesh() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "proxy analyze explain completion help" -- "$cur"))
        return
    fi
    case $prev in
        -mode) COMPREPLY=($(compgen -W "outbound inbound gateway" -- "$cur")); return ;;
        -o) COMPREPLY=($(compgen -W "text json yaml" -- "$cur")); return ;;
        -f|-cert|-key|-ca|-access-log) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    esac
    case ${COMP_WORDS[1]} in
        proxy) words="-f -listen -mode -port -namespace -labels -locality -gateway -app -cert -key -ca -access-log -access-log-format -admin -h" ;;
        analyze) words="-o -h" ;;
        explain) words="-f -mode -namespace -labels -locality -gateway -identity -port -H -o -h" ;;
        completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$cur")); return ;;
    esac
    case $cur in
        -*) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
        *) COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
}
complete -o filenames -F _mesh mesh
