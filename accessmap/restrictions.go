package accessmap

// A restriction is a keyword that can stand in a restriction list
// (postconf(5), smtpd_client_restrictions and the others).
type restriction struct {
	argument argument
	lists    string // where it may stand, one letter for each list, see listLetters
	status   status
	instead  string // what replaces it
}

type argument uint8

const (
	_           argument = iota
	argNone              // no argument
	argSeconds           // digits
	argTable             // type:table
	argEndpoint          // transport:address
	argDomain            // a DNS list, with an optional filter
)

type status uint8

const (
	current status = iota
	old            // an old name, still known
	gone           // no longer, or never, known
)

var listLetters = map[string]byte{
	"smtpd_client_restrictions":      'c',
	"smtpd_helo_restrictions":        'h',
	"smtpd_etrn_restrictions":        'e',
	"smtpd_sender_restrictions":      's',
	"smtpd_relay_restrictions":       'l',
	"smtpd_recipient_restrictions":   'r',
	"smtpd_data_restrictions":        'd',
	"smtpd_end_of_data_restrictions": 'm',
}

// restrictions are those of Postfix 3.12, by name. testdata/restrictions.json
// is where they come from.
var restrictions = map[string]restriction{
	"permit":                                       {argNone, "cheslrdm", current, ""},
	"reject":                                       {argNone, "cheslrdm", current, ""},
	"defer":                                        {argNone, "cheslrdm", current, ""},
	"defer_if_permit":                              {argNone, "cheslrdm", current, ""},
	"defer_if_reject":                              {argNone, "cheslrdm", current, ""},
	"warn_if_reject":                               {argNone, "cheslrdm", current, ""},
	"sleep":                                        {argSeconds, "cheslrdm", current, ""},
	"check_policy_service":                         {argEndpoint, "cheslrdm", current, ""},
	"reject_unauth_pipelining":                     {argNone, "cheslrdm", current, ""},
	"reject_plaintext_session":                     {argNone, "cheslrdm", current, ""},
	"reject_multi_recipient_bounce":                {argNone, "lrdm", current, ""},
	"permit_inet_interfaces":                       {argNone, "cheslrdm", current, ""},
	"permit_mynetworks":                            {argNone, "cheslrdm", current, ""},
	"permit_sasl_authenticated":                    {argNone, "cheslrdm", current, ""},
	"permit_tls_clientcerts":                       {argNone, "cheslrdm", current, ""},
	"permit_tls_all_clientcerts":                   {argNone, "cheslrdm", current, ""},
	"check_client_access":                          {argTable, "cheslrdm", current, ""},
	"check_client_a_access":                        {argTable, "cheslrdm", current, ""},
	"check_client_mx_access":                       {argTable, "cheslrdm", current, ""},
	"check_client_ns_access":                       {argTable, "cheslrdm", current, ""},
	"check_reverse_client_hostname_access":         {argTable, "cheslrdm", current, ""},
	"check_reverse_client_hostname_a_access":       {argTable, "cheslrdm", current, ""},
	"check_reverse_client_hostname_mx_access":      {argTable, "cheslrdm", current, ""},
	"check_reverse_client_hostname_ns_access":      {argTable, "cheslrdm", current, ""},
	"check_ccert_access":                           {argTable, "cheslrdm", current, ""},
	"check_sasl_access":                            {argTable, "cheslrdm", current, ""},
	"reject_rbl_client":                            {argDomain, "cheslrdm", current, ""},
	"reject_rhsbl_client":                          {argDomain, "cheslrdm", current, ""},
	"reject_rhsbl_reverse_client":                  {argDomain, "cheslrdm", current, ""},
	"permit_dnswl_client":                          {argDomain, "cheslrdm", current, ""},
	"permit_rhswl_client":                          {argDomain, "cheslrdm", current, ""},
	"reject_unknown_client_hostname":               {argNone, "cheslrdm", current, ""},
	"reject_unknown_reverse_client_hostname":       {argNone, "cheslrdm", current, ""},
	"check_helo_access":                            {argTable, "heslrdm", current, ""},
	"check_helo_a_access":                          {argTable, "heslrdm", current, ""},
	"check_helo_mx_access":                         {argTable, "heslrdm", current, ""},
	"check_helo_ns_access":                         {argTable, "heslrdm", current, ""},
	"reject_invalid_helo_hostname":                 {argNone, "heslrdm", current, ""},
	"reject_non_fqdn_helo_hostname":                {argNone, "heslrdm", current, ""},
	"reject_unknown_helo_hostname":                 {argNone, "heslrdm", current, ""},
	"reject_rhsbl_helo":                            {argDomain, "heslrdm", current, ""},
	"check_sender_access":                          {argTable, "slrdm", current, ""},
	"check_sender_a_access":                        {argTable, "slrdm", current, ""},
	"check_sender_mx_access":                       {argTable, "slrdm", current, ""},
	"check_sender_ns_access":                       {argTable, "slrdm", current, ""},
	"reject_authenticated_sender_login_mismatch":   {argNone, "slrdm", current, ""},
	"reject_known_sender_login_mismatch":           {argNone, "slrdm", current, ""},
	"reject_unauthenticated_sender_login_mismatch": {argNone, "slrdm", current, ""},
	"reject_sender_login_mismatch":                 {argNone, "slrdm", current, ""},
	"reject_non_fqdn_sender":                       {argNone, "slrdm", current, ""},
	"reject_rhsbl_sender":                          {argDomain, "slrdm", current, ""},
	"reject_unknown_sender_domain":                 {argNone, "slrdm", current, ""},
	"reject_unlisted_sender":                       {argNone, "slrdm", current, ""},
	"reject_unverified_sender":                     {argNone, "slrdm", current, ""},
	"check_recipient_access":                       {argTable, "lr", current, ""},
	"check_recipient_a_access":                     {argTable, "lr", current, ""},
	"check_recipient_mx_access":                    {argTable, "lr", current, ""},
	"check_recipient_ns_access":                    {argTable, "lr", current, ""},
	"permit_auth_destination":                      {argNone, "lr", current, ""},
	"reject_unauth_destination":                    {argNone, "lr", current, ""},
	"defer_unauth_destination":                     {argNone, "lr", current, ""},
	"permit_mx_backup":                             {argNone, "lr", old, "relay_domains"},
	"reject_non_fqdn_recipient":                    {argNone, "lr", current, ""},
	"reject_rhsbl_recipient":                       {argDomain, "lr", current, ""},
	"reject_unknown_recipient_domain":              {argNone, "lr", current, ""},
	"reject_unlisted_recipient":                    {argNone, "lr", current, ""},
	"reject_unverified_recipient":                  {argNone, "lr", current, ""},
	"check_etrn_access":                            {argTable, "e", current, ""},
	"reject_unknown_client":                        {argNone, "cheslrdm", old, "reject_unknown_client_hostname"},
	"reject_invalid_hostname":                      {argNone, "heslrdm", old, "reject_invalid_helo_hostname"},
	"reject_unknown_hostname":                      {argNone, "heslrdm", old, "reject_unknown_helo_hostname"},
	"reject_non_fqdn_hostname":                     {argNone, "heslrdm", old, "reject_non_fqdn_helo_hostname"},
	"check_recipient_maps":                         {argNone, "lr", old, "reject_unlisted_recipient"},
	"reject_unknown_address":                       {argNone, "slrdm", old, "reject_unknown_sender_domain"},
	"reject_rbl":                                   {argDomain, "cheslrdm", old, "reject_rbl_client"},
	"reject_maps_rbl":                              {argNone, "cheslrdm", gone, "reject_rbl_client"},
	"check_relay_domains":                          {argNone, "lr", gone, "reject_unauth_destination"},
	"permit_naked_ip_address":                      {argNone, "heslrdm", gone, "permit_mynetworks"},
	"reject_unknown_forward_client_hostname":       {argNone, "cheslrdm", gone, ""},
}
