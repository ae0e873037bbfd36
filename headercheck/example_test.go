package headercheck_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/postfixkit/postfixkit/headercheck"
	"github.com/postfixkit/postfixkit/table"
)

const message = `Received: from mua.example.com
Subject: An offer
 you cannot refuse
Content-Type: text/plain

Dear friend,
`

// Tables are usually of type regexp or pcre; any table will do.
var checks = table.Func(func(_ context.Context, key string) (string, bool, error) {
	switch {
	case strings.HasPrefix(key, "Received:"):
		return "IGNORE", true, nil
	case strings.Contains(key, "offer\n you"):
		return "REJECT 5.7.1 no, thank you", true, nil
	}
	return "", false, nil
})

func ExampleChecker_Check() {
	c := headercheck.Checker{Header: checks}
	verdict, err := c.Check(context.Background(), strings.NewReader(message))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(verdict)
	for _, m := range verdict.Matches {
		fmt.Printf("line %d: %v\n", m.Line, m.Action)
	}
	// Output:
	// REJECT 5.7.1 no, thank you
	// line 1: IGNORE
	// line 2: REJECT 5.7.1 no, thank you
}

func ExampleChecker_Rewrite() {
	c := headercheck.Checker{Header: table.Func(func(ctx context.Context, key string) (string, bool, error) {
		if strings.HasPrefix(key, "Subject:") {
			return "PREPEND X-Seen: yes", true, nil
		}
		return checks(ctx, key)
	})}
	if _, err := c.Rewrite(context.Background(), os.Stdout, strings.NewReader(message)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// X-Seen: yes
	// Subject: An offer
	//  you cannot refuse
	// Content-Type: text/plain
	//
	// Dear friend,
}

// What "postmap -q - -hm" looks up.
func ExampleKeys() {
	for key, err := range headercheck.Keys(strings.NewReader(message), headercheck.KeyOptions{Headers: true, MIME: true}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%q\n", key)
	}
	// Output:
	// "Received: from mua.example.com"
	// "Subject: An offer\n you cannot refuse"
	// "Content-Type: text/plain"
}
