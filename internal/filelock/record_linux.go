package filelock

import "golang.org/x/sys/unix"

const setRecordLock = unix.F_OFD_SETLK
