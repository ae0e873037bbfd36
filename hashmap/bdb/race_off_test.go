//go:build !race

package bdb

const raced = false
