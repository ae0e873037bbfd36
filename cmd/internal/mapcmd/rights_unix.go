//go:build unix

package mapcmd

import (
	"io/fs"
	"os"
	"syscall"
)

// takeRights gives the process the effective user and group of the owner of a
// source, when root runs it and the source belongs to somebody else: what that
// user may not read or write, the command may not either. It returns how to go
// back.
//
// Postfix 3.12 does so only when the owner is another user; a source of root
// with another group no longer changes the group.
func (c *command) takeRights(fi fs.FileInfo) (restore func(), err error) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if c.keepRights || c.KeepRights || !ok || os.Geteuid() != 0 || st.Uid == 0 {
		return func() {}, nil
	}
	groups, err := syscall.Getgroups()
	if err != nil {
		return nil, err
	}
	gid := os.Getegid()
	back := func() {
		// Rights of root come back first: only they allow the rest.
		_ = syscall.Seteuid(0)
		_ = syscall.Setegid(gid)
		_ = syscall.Setgroups(groups)
	}
	if err = syscall.Setgroups([]int{int(st.Gid)}); err == nil {
		if err = syscall.Setegid(int(st.Gid)); err == nil {
			err = syscall.Seteuid(int(st.Uid))
		}
	}
	if err != nil {
		back()
		return nil, err
	}
	return back, nil
}

// ownedByRoot reports whether a file belongs to root.
func ownedByRoot(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Uid == 0
}
