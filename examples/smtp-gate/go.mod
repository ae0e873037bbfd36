module github.com/postfixkit/postfixkit/examples/smtp-gate

go 1.25.0

require (
	github.com/emersion/go-smtp v0.25.1
	github.com/postfixkit/postfixkit v0.0.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/emersion/go-sasl v0.0.0-20241020182733-b788ff22d5a6 // indirect
	go.etcd.io/bbolt v1.5.0 // indirect
	golang.org/x/sys v0.46.0 // indirect
)

replace github.com/postfixkit/postfixkit => ../../
