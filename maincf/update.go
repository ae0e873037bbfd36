package maincf

import (
	"context"
	"io/fs"

	"github.com/postfixkit/postfixkit/internal/atomicfile"
)

// UpdateFile edits the main.cf at path and reports whether its content
// changed. The new content is written beside the file, synced and renamed
// over it, so that Postfix never reads half of one and a failure leaves the old
// file; owner, group, mode, extended attributes and a symbolic link stay. A
// file that cannot be renamed over (one bind-mounted into a container) is
// written in place. Other writers, postconf(1) among them, are waited for.
//
// When edit leaves the file as it was nothing is written. When the file does
// not exist, cannot be parsed (the error is the [diag.List] of [Parse]) or
// edit returns an error, nothing is written and the error is returned. When a
// program that does not wait for the lock, an editor, changes the file meanwhile,
// edit is called again with what it holds then.
func UpdateFile(path string, edit func(*File) error) (changed bool, err error) {
	return UpdateFileContext(context.Background(), path, edit)
}

// UpdateFileContext is [UpdateFile] with a limit for the wait for other
// writers.
func UpdateFileContext(ctx context.Context, path string, edit func(*File) error) (changed bool, err error) {
	opts := &atomicfile.Options{InPlace: atomicfile.InPlaceNeeded}
	res, err := atomicfile.Update(ctx, path, opts, func(old []byte, exists bool) ([]byte, error) {
		if !exists {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		f, err := Parse(path, old)
		if err != nil {
			return nil, err
		}
		if err := edit(f); err != nil {
			return nil, err
		}
		return f.Bytes(), nil
	})
	return res.Changed, err
}
