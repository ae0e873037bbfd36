// Package clib measures liblmdb, libcdb (TinyCDB) and libdb as C programs use
// them, and CDB_File as Perl does. A small program is compiled when a benchmark
// asks for it; lookups run in a loop there, which takes the time itself.
//
//	p, err := clib.Start(clib.LMDB, tb.TempDir(), "relay.lmdb", keys)
//	if errors.Is(err, clib.ErrMissing) {
//		tb.Skip(err)
//	}
//	found, took, err := p.Find(0, 1000)
//
// It needs cc and the headers of the library, or perl and its module; go without
// them and only the comparison is lost. Nothing here uses cgo.
package clib

import (
	"bufio"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed programs
var sources embed.FS

// A Library is one whose lookups can be measured.
type Library struct {
	name, source string
	link         string // for cc; "" for a Perl module
}

// The libraries Postfix reads its tables with, and another one for cdb.
var (
	LMDB    = Library{"liblmdb", "lmdb.c", "-llmdb"}
	CDB     = Library{"libcdb", "cdb.c", "-lcdb"}
	DB      = Library{"libdb", "libdb.c", "-ldb"}
	CDBFile = Library{"CDB_File", "cdbfile.pl", ""}
)

// ErrMissing is wrapped when there is no C compiler or perl, or the program does
// not compile: the header, the library or the module is not installed.
var ErrMissing = errors.New("cannot compile the program that measures it")

// A Program looks keys up in one table. It is not safe for concurrent use.
type Program struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr head
}

// Start compiles the program for a library in folder dir and has it open table.
func Start(lib Library, dir, table string, keys *Keys) (*Program, error) {
	command, err := compile(lib, dir)
	if err != nil {
		return nil, err
	}
	list := filepath.Join(dir, lib.name+".keys")
	if err := keys.writeFile(list); err != nil {
		return nil, err
	}
	p := &Program{cmd: exec.Command(command[0], append(command[1:], table, list)...)}
	p.cmd.Stderr = &p.stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

// compile returns the command that runs the program.
func compile(lib Library, dir string) (command []string, err error) {
	compiler, files := "cc", []string{"table.h", "lookup.c", lib.source}
	if lib.link == "" {
		compiler, files = "perl", []string{lib.source}
	}
	path, err := exec.LookPath(compiler)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: no %s", lib.name, ErrMissing, compiler)
	}
	for _, name := range files {
		text, err := sources.ReadFile("programs/" + name)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return nil, err
		}
	}
	binary := filepath.Join(dir, lib.name+"-lookup")
	command, args := []string{binary}, []string{"-O2", "-o", binary, "lookup.c", lib.source, lib.link}
	if lib.link == "" {
		script := filepath.Join(dir, lib.source)
		command, args = []string{path, script}, []string{"-c", script}
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w: %w: %.300s", lib.name, ErrMissing, err, out)
	}
	return command, nil
}

// Find looks up count keys, beginning with number from and going on with the
// first after the last. It returns how many there are and how long the loop
// took.
func (p *Program) Find(from, count int) (found int, took time.Duration, err error) {
	if _, err = fmt.Fprintln(p.in, from, count); err == nil {
		_, err = fmt.Fscanln(p.out, &found, &took)
	}
	if err != nil {
		p.Close()
		return 0, 0, fmt.Errorf("%s: %w: %s", filepath.Base(p.cmd.Path), err, p.stderr.text)
	}
	return found, took, nil
}

// Close ends the program. It may be called again.
func (p *Program) Close() error {
	p.in.Close()
	if p.cmd.ProcessState != nil {
		return nil
	}
	return p.cmd.Wait()
}

// head keeps the beginning of what is written to it.
type head struct{ text []byte }

func (h *head) Write(b []byte) (int, error) {
	h.text = append(h.text, b[:min(len(b), 1000-len(h.text))]...)
	return len(b), nil
}
