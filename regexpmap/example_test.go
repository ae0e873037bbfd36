package regexpmap_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/regexpmap"
)

func ExampleParse() {
	src := []byte(`# header_checks
/^Subject: make money fast/     REJECT
if /^Received:/
/^Received: +from +(\S+)/       INFO relay $1
endif
/^X-Broken: (/                  REJECT
`)
	t, err := regexpmap.Parse("header_checks", src, regexpmap.PCRE, nil)
	var found diag.List
	if errors.As(err, &found) {
		for _, d := range found {
			fmt.Println(d)
		}
	}
	action, ok, err := t.Lookup(context.Background(), "Received: from mx.example.com by …")
	fmt.Println(action, ok, err)
	// Output:
	// header_checks:6:14: error: error in regex at offset 12: missing closing parenthesis
	// INFO relay mx.example.com true <nil>
}

func ExampleTable_Match() {
	t, _ := regexpmap.Parse("access", []byte(`/^(.*)-outgoing@(.*)$/  550 Use ${1}@${2} instead`), regexpmap.POSIX, nil)
	m, ok, err := t.Match(context.Background(), "staff-outgoing@example.com")
	if err != nil || !ok {
		return
	}
	fmt.Println("line", m.Rule.Line(), "groups", m.Groups)
	fmt.Println(m.Result)
	// Output:
	// line 1 groups [staff example.com]
	// 550 Use staff@example.com instead
}

func ExampleTable_Shadowed() {
	t, _ := regexpmap.Parse("body_checks", []byte("/viagra/ REJECT\n/buy viagra here/ DISCARD\n"), regexpmap.POSIX, nil)
	for _, d := range t.Shadowed() {
		fmt.Println(d)
	}
	// Output:
	// body_checks:2:1: warning: rule can never answer: line 1 holds for every key it holds for [shadowed-rule]
}

func ExampleParseInline() {
	t, err := regexpmap.ParseInline("{ {/^root@/ OK}, {!/@example\\.com$/ REJECT} }", regexpmap.PCRE, nil)
	if err != nil {
		return
	}
	fmt.Println(t.Lookup(context.Background(), "joe@example.net"))
	// Output:
	// REJECT true <nil>
}
