# As lookup.c, with CDB_File, which reads cdb files for Perl with code of its
# own. What Perl needs for the loop and the calls is in the time.
use strict;
use warnings;
use CDB_File;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($path, $list) = @ARGV;
open my $f, '<:raw', $list or die "$list: $!\n";
my $data = do { local $/; <$f> };
my $n = unpack 'L', $data;
my @ends = unpack 'L*', substr $data, 4, 4 * ($n + 1);
my $slab = substr $data, 4 + 4 * ($n + 1);
my @keys = map { substr $slab, $ends[$_], $ends[$_ + 1] - $ends[$_] } 0 .. $n - 1;
my $table = tie my %unused, 'CDB_File', $path or die "$path: $!\n";

$| = 1;
while (my $line = <STDIN>) {
	my ($from, $count) = split ' ', $line;
	my $found = 0;
	my $start = clock_gettime(CLOCK_MONOTONIC);
	for (; $count > 0; $count--) {
		$found++ if defined $table->FETCH($keys[$from]);
		$from = 0 if ++$from == $n;
	}
	printf "%d %d\n", $found, 1e9 * (clock_gettime(CLOCK_MONOTONIC) - $start);
}
