package macro

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// role is the environment variable that makes this program one of the processes.
const role = "MESH_BENCH_ROLE"

// The roles.
const (
	calling   = "client"
	answering = "server"
)

// Main is to be called first by a program that measures: it starts itself again as
// the calling and as the answering process. Main reports whether this is one of
// these, which then has done its work.
func Main(clients Clients) bool {
	var work func(in *json.Decoder, out *json.Encoder) error
	switch os.Getenv(role) {
	case calling:
		work = clients.call
	case answering:
		work = answer
	default:
		return false
	}
	ballast := ballast()
	err := work(json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout))
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Getenv(role), err)
		os.Exit(1)
	}
	ballast[0]++
	return true
}

// ballast is the heap of a program that does something else, too: without it the
// collector would run every 4 MiB.
func ballast() []byte {
	b := make([]byte, 16<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1 // so that the pages exist
	}
	return b
}

// A child is this program in one of the roles. It is asked by lines of JSON and
// answers each by one, and ends with its input.
type child struct {
	process
	cmd   *exec.Cmd
	input io.Closer
	in    *json.Encoder
	out   *json.Decoder
}

func spawn(as string) (*child, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(path)}
	c.cmd.Env = append(os.Environ(), role+"="+as)
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.input, c.in, c.out = in, json.NewEncoder(in), json.NewDecoder(out)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.process = process{c.cmd.Process.Pid}
	return c, nil
}

// ask sends a question and waits for the answer.
func (c *child) ask(question, answer any) error {
	if err := c.in.Encode(question); err != nil {
		return err
	}
	if err := c.out.Decode(answer); err != nil {
		return fmt.Errorf("a process of the benchmark has ended: %w", err)
	}
	return nil
}

func (c *child) stop() {
	c.input.Close()
	end(c.cmd)
}

// end waits for a process that was told to end, and kills it if it does not.
func end(cmd *exec.Cmd) {
	timer := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait() //nolint:errcheck // it is not needed any more
}
