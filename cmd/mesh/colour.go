package main

import (
	"io"
	"os"
)

// Colours of levels, as terminals understand them (ECMA-48, SGR).
var colours = map[string]string{"Error": "\x1b[31m", "Warning": "\x1b[33m", "Info": "\x1b[36m"}

// coloured is a level in its colour if w is a terminal, unless the user wants none
// (https://no-color.org).
func coloured(w io.Writer, level string) string {
	if colours[level] == "" || os.Getenv("NO_COLOR") != "" || !isTerminal(w) {
		return level
	}
	return colours[level] + level + "\x1b[0m"
}

// isTerminal reports whether w is a terminal, as far as can be told without asking
// it: a device of characters other than the null device.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && file.Name() != os.DevNull
}
