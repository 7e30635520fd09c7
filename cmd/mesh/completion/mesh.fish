# Completion of mesh for fish.
complete -c mesh -f
complete -c mesh -n __fish_use_subcommand -a proxy -d 'be the sidecar of a process on this machine'
complete -c mesh -n __fish_use_subcommand -a analyze -d 'say what is wrong with resources, without running them'
complete -c mesh -n __fish_use_subcommand -a explain -d 'say what would become of a request, and why'
complete -c mesh -n __fish_use_subcommand -a completion -d 'write a script for a shell to complete words'
complete -c mesh -n __fish_use_subcommand -a help -d 'say what commands there are'

complete -c mesh -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
complete -c mesh -n '__fish_seen_subcommand_from analyze' -F
complete -c mesh -n '__fish_seen_subcommand_from analyze' -o o -x -a 'text json yaml' -d form
complete -c mesh -n '__fish_seen_subcommand_from explain' -o o -x -a 'text json' -d form
complete -c mesh -n '__fish_seen_subcommand_from explain' -o mode -x -a 'outbound inbound gateway' -d 'whose side'
complete -c mesh -n '__fish_seen_subcommand_from explain' -o gateway -x -d 'the only Gateway'
complete -c mesh -n '__fish_seen_subcommand_from explain' -o identity -x -d 'who calls'
complete -c mesh -n '__fish_seen_subcommand_from explain' -o H -x -d 'header of the request'
complete -c mesh -n '__fish_seen_subcommand_from proxy explain' -o f -r -F -d resources
complete -c mesh -n '__fish_seen_subcommand_from proxy explain' -o port -x -d port
complete -c mesh -n '__fish_seen_subcommand_from proxy explain' -o namespace -x -d 'of the workload'
complete -c mesh -n '__fish_seen_subcommand_from proxy explain' -o labels -x -d 'of the workload'
complete -c mesh -n '__fish_seen_subcommand_from proxy explain' -o locality -x -d 'of the workload'
complete -c mesh -n '__fish_seen_subcommand_from proxy' -o listen -x -d 'address to listen on'
complete -c mesh -n '__fish_seen_subcommand_from proxy' -o mode -x -a 'outbound inbound gateway' -d 'which side'
complete -c mesh -n '__fish_seen_subcommand_from proxy' -o gateway -x -d 'the only Gateway'
complete -c mesh -n '__fish_seen_subcommand_from proxy' -o app -x -d 'address of the application'
complete -c mesh -n '__fish_seen_subcommand_from proxy' -o cert -r -F -d certificate
complete -c mesh -n '__fish_seen_subcommand_from proxy' -o key -r -F -d 'its key'
complete -c mesh -n '__fish_seen_subcommand_from proxy' -o ca -r -F -d 'trusted roots'
complete -c mesh -n '__fish_seen_subcommand_from proxy' -o access-log -r -F -d 'log of requests'
complete -c mesh -n '__fish_seen_subcommand_from proxy' -o access-log-format -x -d 'its format'
complete -c mesh -n '__fish_seen_subcommand_from proxy' -o admin -x -d 'address of the admin page'
