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
	program *program
	input   io.Closer
	output  io.Closer
	in      *json.Encoder
	out     *json.Decoder
}

func spawn(as string) (*child, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), role+"="+as)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// A pipe of our own: Wait would close one of the command's before it is read.
	out, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd.Stdout = theirs
	p, err := begin(cmd)
	if err != nil {
		return nil, err
	}
	return &child{
		process: process{cmd.Process.Pid}, program: p,
		input: in, in: json.NewEncoder(in), out: json.NewDecoder(out), output: out,
	}, nil
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
	c.program.end()
	c.output.Close()
}

// A program is one that was started.
type program struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

func begin(cmd *exec.Cmd) (*program, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &program{cmd, make(chan struct{})}
	go func() {
		defer close(p.ended)
		cmd.Wait() //nolint:errcheck // how it ended does not matter
	}()
	return p, nil
}

// end waits for a program that was told to end, and kills it if it does not.
func (p *program) end() {
	timer := time.AfterFunc(5*time.Second, func() { p.cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	defer timer.Stop()
	<-p.ended
}
