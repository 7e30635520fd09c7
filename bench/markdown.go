package main

import (
	"fmt"
	"io"
)

func (rep *report) markdown(w io.Writer) error { _, err := fmt.Fprintln(w, "TODO"); return err }
func (rep *report) draw(dir string) error      { return nil }
