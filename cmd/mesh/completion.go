package main

import (
	"context"
	"embed"
	"fmt"
	"io"
)

//go:embed completion
var completions embed.FS

func runCompletion(_ context.Context, args []string, stdout, stderr io.Writer) int {
	const usage = "usage: mesh completion bash|zsh|fish\n\n" +
		"Writes a script that lets a shell complete the words of this command:\n\n" +
		"  bash  source <(mesh completion bash)\n" +
		"  zsh   mesh completion zsh > \"${fpath[1]}/_mesh\"\n" +
		"  fish  mesh completion fish > ~/.config/fish/completions/mesh.fish\n"
	if len(args) != 1 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch args[0] {
	case "-h", "-help", "--help":
		fmt.Fprint(stderr, usage)
		return exitOK
	case "bash", "zsh", "fish":
	default:
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	script, err := completions.ReadFile("completion/mesh." + args[0])
	if err == nil {
		_, err = stdout.Write(script)
	}
	if err != nil {
		fmt.Fprintln(stderr, "mesh completion:", err)
		return exitFailed
	}
	return exitOK
}
