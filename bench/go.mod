module github.com/postfixkit/postfixkit/bench

go 1.25.0

require (
	github.com/postfixkit/postfixkit v0.0.0
	go.etcd.io/bbolt v1.5.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	golang.org/x/sys v0.46.0 // indirect
)

replace github.com/postfixkit/postfixkit => ../
