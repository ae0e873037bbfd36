// Command convert-bdb converts all Berkeley DB tables of a folder, whose
// sources may be lost, to lmdb or cdb. Every entry of every new table is looked
// up before the table takes its place; the old files stay.
//
//	convert-bdb [-to lmdb|cdb] FOLDER
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/postfixkit/postfixkit/hashmap"
)

func main() {
	to := flag.String("to", "lmdb", "type of the new tables")
	flag.Parse()
	format, err := hashmap.ParseFormat(*to)
	if err != nil || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: convert-bdb [-to lmdb|cdb] FOLDER")
		os.Exit(2)
	}
	if err := convertAll(context.Background(), os.Stdout, flag.Arg(0), format); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// convertAll converts every .db file and reports each. A file that cannot be
// converted is an error, and the others are converted all the same.
func convertAll(ctx context.Context, out io.Writer, folder string, to hashmap.Format) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.db"))
	if err != nil {
		return err
	}
	var errs []error
	for _, file := range files {
		name := strings.TrimSuffix(file, ".db")
		n, from, err := convert(ctx, file, hashmap.FileName(to, name), to)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(out, "%s: %d entries, %v:%s is now %v:%s\n", filepath.Base(file), n, from, name, to, name)
	}
	if len(files) == 0 {
		errs = append(errs, fmt.Errorf("%s: no .db files", folder))
	}
	return errors.Join(errs...)
}

func convert(ctx context.Context, file, target string, to hashmap.Format) (n int, from hashmap.Format, err error) {
	old, err := hashmap.Open(file, nil)
	if err != nil {
		return 0, 0, err
	}
	defer old.Close()
	// A damaged page is better found now than by a mail that gets lost.
	if err := old.Check(ctx, nil); err != nil {
		return 0, 0, err
	}
	fi, err := os.Stat(file)
	if err != nil {
		return 0, 0, err
	}
	b, err := hashmap.ConvertTo(ctx, old, to, &hashmap.BuildOptions{
		Verify: true, File: hashmap.FileOptions{Mode: fi.Mode().Perm()},
	})
	if err != nil {
		return 0, 0, err
	}
	_, err = b.WriteFile(ctx, target)
	return b.Len(), old.Format(), err
}
