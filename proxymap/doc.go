// Package proxymap speaks the protocol of proxymap(8) from both sides.
//
// A [Client] asks a running Postfix for the tables it may share
// (proxy_read_maps), which is how programs outside of a chroot or without a
// table's library get at them:
//
//	types := postfixkit.Types()
//	types["proxy"] = proxymap.Type("unix", "/var/spool/postfix/private/proxymap")
//
// A [Server] is asked by Postfix. In contrast to socketmap_table(5) and
// tcp_table(5) this protocol tells Postfix what kind of table it is, so that
// Postfix also asks for the partial keys of access(5), virtual(5) and the
// others. A Postfix without Berkeley DB that has access and alias tables in .db
// files can go on using them:
//
//	s := proxymap.Server{Tables: map[string]table.Table{"hash:/etc/postfix/access": t}}
//	l, err := net.Listen("unix", "/var/spool/postfix/private/ourmaps")
//	…
//	err = s.Serve(l)
//	// main.cf: proxymap_service_name = ourmaps
//	//          smtpd_client_restrictions = check_client_access proxy:hash:/etc/postfix/access
//
// The socket must be open to the user postfix. The service of that name then
// answers for all tables with proxy: in front. Writing through proxywrite is
// not supported, and neither is listing a table (Postfix 3.11).
//
// The protocol is internal to Postfix and has had its greeting since 3.6; the
// tests run it against the real one.
package proxymap
