package mapcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/table"
	"github.com/postfixkit/postfixkit/textmap"
)

// A job is one table to build or change.
type job struct {
	spec   table.Spec
	format hashmap.Format
	file   string      // of the table
	name   string      // of the source, in messages
	src    io.Reader   // the source
	info   fs.FileInfo // of the source, nil when it is not a file
	held   diag.List   // findings that were not printed yet
	close  func()
}

// buildAll builds every operand, or adds standard input to it.
func (c *command) buildAll(operands []string, incremental bool) error {
	for _, operand := range operands {
		if err := c.build(operand, incremental); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) build(operand string, incremental bool) error {
	j := &job{spec: c.spec(operand)}
	if j.spec.Type == "proxy" {
		return errors.New("can't create maps via the proxy service")
	}
	if err := c.openSource(j, incremental); err != nil {
		return err
	}
	defer j.close()
	var err error
	if j.format, err = hashmap.ParseFormat(j.spec.Type); err != nil {
		if _, known := types(c)[j.spec.Type]; known {
			return fmt.Errorf("no 'map create' support for this type: %s", j.spec.Type)
		}
		return fmt.Errorf("unsupported map type: %s (supported for building: %s)", j.spec.Type, formatNames())
	}
	j.file = hashmap.FileName(j.format, j.spec.Name)
	if c.ifStale && !incremental && fresh(j.file, j.info) {
		c.tell("%s is up to date", j.file)
		return nil
	}
	if err := c.withRights(j, func() error {
		if incremental {
			return c.add(j)
		}
		return c.rebuild(j)
	}); err != nil {
		return err
	}
	return nil
}

func formatNames() string {
	var names []string
	for _, f := range hashmap.Formats() {
		names = append(names, f.String())
	}
	return strings.Join(names, ", ")
}

// openSource opens the file of the operand's name, or standard input for -i.
// A folder reads as empty, as it does for the original.
func (c *command) openSource(j *job, incremental bool) error {
	j.close = func() {}
	if incremental {
		j.name, j.src, j.info = "stdin", c.Stdin, c.StdinInfo
		return nil
	}
	f, err := os.Open(j.spec.Name)
	if err == nil {
		j.info, err = f.Stat()
	}
	if err != nil {
		return fmt.Errorf("open %s: %s", j.spec.Name, cause(err))
	}
	j.name, j.src, j.close = j.spec.Name, f, func() { f.Close() }
	if j.info.IsDir() {
		j.src = strings.NewReader("")
	}
	return nil
}

// withRights does the work with the rights of the source's owner, see
// takeRights, and warns where they are root's in somebody else's folder.
func (c *command) withRights(j *job, work func() error) error {
	if j.info == nil {
		return work()
	}
	if j.name != "stdin" {
		c.warnFolder(j)
	}
	restore, err := c.takeRights(j.info)
	if err != nil {
		return fmt.Errorf("taking on the rights of the owner of %s: %s", j.name, cause(err))
	}
	defer restore()
	return work()
}

// fresh decides for --if-stale, more strictly than Postfix's warning: any
// change of the source after the table counts.
func fresh(file string, source fs.FileInfo) bool {
	fi, err := os.Stat(file)
	return err == nil && fi.Size() > 0 && source != nil && !source.ModTime().After(fi.ModTime())
}

// buildOptions are those of a build, as the flags say.
func (c *command) buildOptions(j *job) *hashmap.BuildOptions {
	o := &hashmap.BuildOptions{
		Duplicates: hashmap.KeepFirst, NUL: c.nul(), Verify: c.verify,
		File: c.fileOptions(j), Progress: c.progressReport(j.file),
	}
	switch {
	case c.replace:
		o.Duplicates = hashmap.KeepLast
	case c.ignore:
		o.Duplicates = hashmap.KeepAll
	}
	return o
}

func (c *command) fileOptions(j *job) hashmap.FileOptions {
	o := hashmap.FileOptions{Mode: c.mode, InPlace: hashmap.InPlaceNeeded}
	if !c.noPerm {
		o.Source = j.info
	}
	if c.owner != nil {
		o.Owner = &hashmap.Owner{UID: c.owner.UID, GID: c.owner.GID}
	}
	return o
}

// rebuild makes a table from its source.
func (c *command) rebuild(j *job) error {
	format := j.format
	if c.diff {
		format = hashmap.Btree // only looked at, in memory, in the order of keys
	}
	b := hashmap.NewBuilder(format, c.buildOptions(j))
	err := c.fill(j, b)
	if err != nil {
		c.release(j)
		return c.buildError(j, err)
	}
	if c.check || c.strict || c.diff {
		// What is wrong with the source has to be known before anything is
		// written.
		if _, err := b.WriteTo(io.Discard); err != nil {
			c.release(j)
			return c.buildError(j, err)
		}
		c.report(j, b)
		switch {
		case c.strict && c.problems > 0:
			return fmt.Errorf("%s: %d problems found, nothing was written (--strict)", j.name, c.problems)
		case c.diff:
			return c.printDiff(j, b)
		case c.check:
			c.tell("%s: %d entries", j.name, b.Len())
			return nil
		}
	}
	res, err := b.WriteFile(c.ctx, j.file)
	if res.ZeroLength && (j.format == hashmap.Hash || j.format == hashmap.Btree) {
		c.warn("removing zero-length database file: %s", j.file)
	}
	if !c.strict {
		c.report(j, b)
	}
	if err != nil {
		return c.buildError(j, err)
	}
	if res.InPlace {
		c.warn("%s cannot be replaced, it was overwritten in place", j.file)
	}
	c.tell("%s: %d entries", j.file, b.Len())
	return nil
}

// buildError words a failed build as Postfix does where it has words for it.
func (c *command) buildError(j *job, err error) error {
	var key *hashmap.KeyError
	switch {
	case errors.As(err, &key):
		return fmt.Errorf("error updating %s: %s, %s is unchanged", j.driverName(), strings.TrimPrefix(err.Error(), "hashmap: "), j.file)
	case errors.Is(err, fs.ErrPermission):
		// Whatever could not be done, the original could not open the file.
		if _, serr := os.Lstat(j.file); serr == nil && j.format != hashmap.LMDB {
			return fmt.Errorf("open %s: Permission denied", j.file)
		}
		return fmt.Errorf("open database %s: Permission denied", j.file)
	case errors.Is(err, context.Canceled), errors.Is(err, errInterrupted):
		return fmt.Errorf("interrupted, %s is unchanged", j.file)
	}
	return fmt.Errorf("%s is unchanged: %s", j.file, strings.TrimPrefix(err.Error(), "hashmap: "))
}

// fill reads the source into the builder.
func (c *command) fill(j *job, b *hashmap.Builder) error {
	src := c.source(j, func(d diag.Diagnostic) { c.hold(j, d) })
	if err := b.AddSource(j.name, src); err != nil || !c.Alias {
		return err
	}
	return c.addAliasRecords(b.Add, b.AddRaw)
}

// addAliasRecords adds what postalias adds to every table: an entry that makes
// sendmail(8) happy, and two for NIS, which never end in a null byte.
func (c *command) addAliasRecords(add func(key, value string) error, raw func(key, value []byte) error) error {
	if err := add("@", "@"); err != nil {
		return err
	}
	if err := raw([]byte("YP_LAST_MODIFIED"), fmt.Appendf(nil, "%010d", time.Now().Unix())); err != nil {
		return err
	}
	return raw([]byte("YP_MASTER_NAME"), []byte(c.cfg.hostname()))
}

// source returns the scanner for the command's kind of source.
func (c *command) source(j *job, report func(diag.Diagnostic)) hashmap.Source {
	if c.Alias {
		return c.aliasSource(j, report)
	}
	opts := &textmap.Options{
		NoFold: c.noFold, NoUTF8: !c.utf8Mode(),
		ReadAhead: j.info != nil && j.info.Mode().IsRegular(),
	}
	if c.valueFiles {
		opts.ReadFile = os.ReadFile
	}
	s := textmap.NewScanner(j.name, c.untilSignal(j), opts)
	s.Report = report
	return s
}

// mostHeld is how many findings wait until it is known which keys are repeated.
// Tests change it.
var mostHeld = 20_000

// hold keeps a finding of a source. Which keys are repeated is known when all of
// it is read, and messages come in the order of lines. Of a source with more
// findings than anybody reads the first are printed before.
func (c *command) hold(j *job, d diag.Diagnostic) {
	j.held = append(j.held, d)
	if len(j.held) == mostHeld {
		c.release(j)
	}
}

// release prints the findings that are held.
func (c *command) release(j *job) {
	for _, d := range j.held {
		c.reportOne(j, d)
	}
	j.held = j.held[:0]
}

// report prints the findings that are held and the repeated keys, in the order of
// the source; repeated keys of records that are not from the source come last.
func (c *command) report(j *job, b *hashmap.Builder) {
	if !c.replace && !c.ignore {
		for d := range b.Repeated() {
			line, n := d.Span.Start.Line, 0
			for n < len(j.held) && (line == 0 || j.held[n].Span.Start.Line <= line) {
				c.reportOne(j, j.held[n])
				n++
			}
			j.held = j.held[n:]
			c.reportOne(j, d)
		}
	}
	c.release(j)
}

// reportOne prints one finding as Postfix would, or as JSON.
func (c *command) reportOne(j *job, d diag.Diagnostic) {
	c.problems++
	if c.jsonReport {
		// The only thing that can go wrong is standard error.
		_ = diag.List{d}.WriteJSON(c.Stderr)
		return
	}
	switch d.Check {
	case textmap.CheckLeadingSpace:
		c.warn("%s: %s", j.name, d.Message)
	case textmap.CheckDuplicate:
		c.warn("%s: %s", j.driverName(), d.Message)
	default:
		c.warn("%s, line %d: %s", j.name, d.Span.Start.Line, d.Message)
	}
}

// driverName is what the table is called in the messages of its driver.
func (j *job) driverName() string {
	switch j.format {
	case hashmap.LMDB:
		return j.spec.String()
	case hashmap.CDB:
		return j.spec.Name
	}
	return j.file
}

// add puts the entries of standard input into a table that may exist.
func (c *command) add(j *job) error {
	if j.format == hashmap.CDB {
		return errors.New("unsupported non-bulk change request")
	}
	o := c.updateOptions(j)
	o.Format = j.format
	if o.NUL == hashmap.NULAuto { // the form of a new table, whatever this one has
		o.NUL = hashmap.NoNUL
		if j.format.NUL() {
			o.NUL = hashmap.WithNUL
		}
	}
	res, err := hashmap.Update(c.ctx, j.file, o, func(e *hashmap.Edit) error {
		src := c.source(j, func(d diag.Diagnostic) { c.reportOne(j, d) })
		for src.Scan() {
			existed, err := e.Put(string(src.Key()), string(src.Value()))
			if err != nil {
				return fmt.Errorf("%s, line %d: %w", j.name, src.Line(), err)
			}
			if existed && !c.replace && !c.ignore {
				c.reportOne(j, diag.Diagnostic{
					File: j.name, Severity: diag.Warning, Check: textmap.CheckDuplicate,
					Span:    diag.Span{Start: diag.Position{Line: src.Line(), Col: 1}},
					Message: fmt.Sprintf("duplicate entry: \"%s\"", diag.Printable(string(src.Key()))),
				})
			}
		}
		if err := src.Err(); err != nil {
			return err
		}
		if c.strict && c.problems > 0 {
			return fmt.Errorf("%s: %d problems found, nothing was written (--strict)", j.name, c.problems)
		}
		if !c.Alias {
			return nil
		}
		return c.addAliasRecords(
			func(k, v string) error { return replaceRecord(e, k, v) },
			func(k, v []byte) error {
				if _, err := e.DeleteRaw(k); err != nil {
					return err
				}
				_, err := e.PutRaw(k, v)
				return err
			})
	})
	if res.ZeroLength && (j.format == hashmap.Hash || j.format == hashmap.Btree) {
		c.warn("removing zero-length database file: %s", j.file)
	}
	if err != nil {
		if errors.Is(err, hashmap.ErrUnknownFormat) {
			return fmt.Errorf("open database %s: %s", j.file, cause(err))
		}
		return c.buildError(j, err)
	}
	return nil
}

func replaceRecord(e *hashmap.Edit, key, value string) error {
	if _, err := e.Delete(key); err != nil {
		return err
	}
	_, err := e.Put(key, value)
	return err
}

func (c *command) updateOptions(j *job) *hashmap.UpdateOptions {
	o := &hashmap.UpdateOptions{Duplicates: hashmap.KeepFirst, NUL: c.nul(), Verify: c.verify, File: c.fileOptions(j)}
	if c.replace {
		o.Duplicates = hashmap.KeepLast
	}
	return o
}

// warnFolder is a warning of Postfix 3.12: root makes a table in a folder whose
// owner could put something else in its place.
func (c *command) warnFolder(j *job) {
	if !ownedByRoot(j.info) || os.Geteuid() != 0 {
		return
	}
	dir := filepath.Dir(j.file)
	if fi, err := os.Stat(dir); err == nil && !ownedByRoot(fi) {
		c.warn("Creating root-owned database file(s) %s.* in non-root-owned directory %s. Files %s, %s.*, and directory %s should have the same owner. Please fix ownership to avoid a privilege-escalation attack.",
			j.spec.Name, dir, j.spec.Name, j.spec.Name, dir)
	}
}
