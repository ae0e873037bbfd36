module github.com/postfixkit/postfixkit/bench

go 1.25.0

require github.com/postfixkit/postfixkit v0.0.0

replace github.com/postfixkit/postfixkit => ../
