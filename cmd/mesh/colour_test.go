package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyATerminalGetsColours(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer file.Close()
	require.Equal(t, "Error", coloured(file, "Error"))
	require.Equal(t, "Error", coloured(&bytes.Buffer{}, "Error"))

	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		return // this machine has no terminals to give away
	}
	defer terminal.Close()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	require.Equal(t, "\x1b[31mError\x1b[0m", coloured(terminal, "Error"))
	t.Setenv("NO_COLOR", "1")
	require.Equal(t, "Error", coloured(terminal, "Error"))
}
