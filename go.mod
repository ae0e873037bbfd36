module github.com/postfixkit/postfixkit

go 1.25.0

require (
	github.com/cespare/xxhash/v2 v2.3.0
	github.com/dlclark/regexp2/v2 v2.12.0
	go.etcd.io/bbolt v1.5.0
	golang.org/x/sys v0.46.0
)
