package mapcmd

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Process runs the command of this process and returns its exit status.
//
// As with the original, a build that is under way when a hangup, interrupt or
// termination signal comes is not cut short by it when it is about to be put
// in place; before that nothing has changed yet, and the files written aside
// are removed.
func Process(tool Tool) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return Main(ctx, tool, os.Args[1:], Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Terminal: isTerminal(os.Stderr),
	})
}

func isTerminal(f *os.File) bool {
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}
