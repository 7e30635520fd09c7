#compdef mesh
# Completion of mesh for zsh.
_mesh() {
    local -a commands
    commands=(
        'proxy:be the sidecar of a process on this machine'
        'analyze:say what is wrong with resources, without running them'
        'explain:say what would become of a request, and why'
        'completion:write a script for a shell to complete words'
        'help:say what commands there are'
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
        proxy)
            _arguments \
                '*-f[resources]:path:_files' '-listen[address to listen on]:address:' \
                '-mode[which side]:mode:(outbound inbound gateway)' '-port[port]:port:' \
                '-namespace[of the workload]:namespace:' '-labels[of the workload]:labels:' \
                '-locality[of the workload]:locality:' '-gateway[the only Gateway]:gateway:' \
                '-app[address of the application]:address:' '-cert[certificate]:file:_files' \
                '-key[its key]:file:_files' '-ca[trusted roots]:file:_files' \
                '-access-log[log of requests]:file:_files' '-access-log-format[its format]:format:' \
                '-admin[address of the admin page]:address:' '*:path:_files' ;;
        analyze) _arguments '-o[form]:form:(text json yaml)' '*:path:_files' ;;
        explain)
            _arguments \
                '*-f[resources]:path:_files' '-namespace[of the workload]:namespace:' \
                '-labels[of the workload]:labels:' '-locality[of the workload]:locality:' \
                '-mode[whose side]:mode:(outbound inbound gateway)' '-gateway[the only Gateway]:gateway:' \
                '-identity[who calls]:identity:' \
                '-port[service port]:port:' '*-H[header]:header:' '-o[form]:form:(text json)' \
                '1:method or URL:(GET POST PUT DELETE)' '2:URL:' ;;
        completion) _arguments '1:shell:(bash zsh fish)' ;;
    esac
}
if [ "$funcstack[1]" = _mesh ]; then
    _mesh "$@"
else
    compdef _mesh mesh
fi
