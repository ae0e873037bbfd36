// Package tcptable speaks tcp_table(5) from both sides: a [Server] for any
// [table.Table], and a [Client].
//
// A request is one line, "get KEY", and so is the reply: 200 and the value,
// 500 for a key that is not there, 400 for a failure that may pass. White
// space, "%" and bytes that do not print are written as %XX. A CR at the end of
// a line does not count.
//
//	s := tcptable.Server{Table: t}
//	l, err := net.Listen("tcp", "127.0.0.1:10401")
//	…
//	err = s.Serve(l) // main.cf: transport_maps = tcp:127.0.0.1:10401
//
// A reply holds [MaxReply] bytes; the protocol has no permanent error, so that
// a value which is too long is a temporary failure to the client. Postfix asks
// a tcp table for whole keys only. Package socketmap has neither limit, and
// carries several tables over one connection.
package tcptable
