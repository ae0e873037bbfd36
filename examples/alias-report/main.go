// Command alias-report tells where mail for every name of an alias file really
// goes, and what is wrong with the file: loops, missing :include: files, names
// nobody has.
//
//	alias-report [-root FOLDER] [-domain example.org] FILE
//
// The exit status is 1 when something is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/postfixkit/postfixkit/aliases"
	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/table"
)

func main() {
	root := flag.String("root", "/", "folder that stands for / of :include: files")
	domain := flag.String("domain", "", "domain whose addresses are local too")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: alias-report [-root FOLDER] [-domain DOMAIN] FILE")
		os.Exit(2)
	}
	src, err := os.ReadFile(flag.Arg(0))
	if err == nil {
		err = report(context.Background(), os.Stdout, flag.Arg(0), src, os.DirFS(*root), *domain)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func report(ctx context.Context, out io.Writer, name string, src []byte, files fs.FS, domain string) error {
	f, err := aliases.Parse(name, src, nil)
	var found diag.List
	if err != nil && !errors.As(err, &found) {
		return err
	}
	x := &aliases.Expander{
		Aliases: []table.Table{f}, FS: files,
		IsLocal: func(d string) bool { return domain != "" && strings.EqualFold(d, domain) },
	}
	for a := range f.All() {
		where, err := x.Expand(ctx, a.Name())
		fmt.Fprintf(out, "%s:", a.Name())
		for _, e := range where {
			fmt.Fprintf(out, " %s", e.Target)
		}
		if err != nil {
			fmt.Fprintf(out, " (%s)", diag.Printable(err.Error()))
		}
		fmt.Fprintln(out)
	}
	graph, err := aliases.NewGraph(ctx, f, x)
	if err != nil {
		return err
	}
	found = append(found, graph.Findings()...)
	found.Sort()
	return found.AtLeast(diag.Warning).Err()
}
