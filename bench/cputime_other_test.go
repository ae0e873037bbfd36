//go:build !unix

package bench

import "time"

var started = time.Now()

// cpuTime is the clock where the processor time is not known.
func cpuTime() time.Duration { return time.Since(started) }
