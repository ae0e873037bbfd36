package mapcmd

import (
	"bytes"
	"context"
	"os"
	"strings"
)

// runTool runs a command inside the test's process.
func runTool(tool Tool, stdin string, args ...string) (exit int, stdout, stderr string) {
	var out, msg bytes.Buffer
	exit = Main(context.Background(), tool, args, Env{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &msg, KeepRights: true,
		Getenv: func(name string) string {
			if name == "MAIL_CONFIG" {
				return os.TempDir() // no main.cf there
			}
			return ""
		},
	})
	return exit, out.String(), msg.String()
}
