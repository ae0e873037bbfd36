module github.com/postfixkit/postfixkit/examples/milter-checks

go 1.25.0

require (
	github.com/emersion/go-milter v0.5.0
	github.com/postfixkit/postfixkit v0.0.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/emersion/go-message v0.18.2 // indirect
	go.etcd.io/bbolt v1.5.0 // indirect
	golang.org/x/sys v0.46.0 // indirect
)

replace github.com/postfixkit/postfixkit => ../../
