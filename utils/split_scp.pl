#!/usr/bin/env perl
# Cuts a sorted list into n consecutive pieces whose sizes differ by at most one line. With --utt2spk, all lines of a
# speaker stay in one piece.
use strict;
use warnings;

my $usage = <<'USAGE';
usage: split_scp.pl [--utt2spk=FILE] [--one-based] IN OUT1 OUT2 ...
       split_scp.pl [--utt2spk=FILE] [--one-based] -j N I IN [OUT]
  -j N I          write only piece I of N (counted from 0; from 1 with --one-based), to OUT or standard output
  --utt2spk=FILE  keep each speaker's lines in one piece
IN may be - for standard input.
USAGE
my ($utt2spk, $pieces, $wanted);
my $first = 0;
while (@ARGV && $ARGV[0] =~ /^-./) {
    my $word = shift @ARGV;
    if ($word =~ /^--utt2spk=(.+)$/) { $utt2spk = $1 }
    elsif ($word eq '--one-based') { $first = 1 }
    elsif ($word eq '-j' && @ARGV >= 2 && $ARGV[0] =~ /^\d+$/ && $ARGV[1] =~ /^\d+$/) {
        ($pieces, $wanted) = splice @ARGV, 0, 2;
    } else { die "split_scp.pl: unknown option or value: $word @ARGV\n$usage" }
}
die $usage if !@ARGV || (defined $pieces ? @ARGV > 2 : @ARGV < 2);
my ($in, @out) = @ARGV;
if (defined $pieces) {
    $wanted -= $first;
    die "split_scp.pl: piece " . ($wanted + $first) . " of $pieces (counted from $first) does not exist\n"
        if $wanted < 0 || $wanted >= $pieces;
} else { $pieces = @out }

my @lines = read_lines($in);
my @start = defined $utt2spk ? by_speaker() : map { int($_ * @lines / $pieces) } 0 .. $pieces;
die "split_scp.pl: $in has " . @lines . " lines, too few for $pieces pieces: ask for fewer jobs\n"
    if @lines < $pieces;
if (defined $wanted) { write_piece($wanted, $out[0] // '-') }
else { write_piece($_, $out[$_]) for 0 .. $#out }

sub read_lines {
    my ($file) = @_;
    my $handle = \*STDIN;
    if ($file ne '-') { open($handle, '<', $file) or die "split_scp.pl: cannot read $file: $!\n" }
    return <$handle>;
}

sub write_piece {
    my ($piece, $file) = @_;
    my $handle = \*STDOUT;
    if ($file ne '-') { open($handle, '>', $file) or die "split_scp.pl: cannot write $file: $!\n" }
    my ($from, $to) = @start[$piece, $piece + 1];
    print $handle @lines[$from .. $to - 1];
    close $handle or die "split_scp.pl: cannot write $file: $!\n";
    return;
}

# Returns the line numbers where pieces start. A speaker goes to the piece where its middle line falls. Every piece gets
# at least one speaker.
sub by_speaker {
    my (%speaker_of, %seen, @begin, $last);
    for (read_lines($utt2spk)) {
        my @field = split ' ';
        $speaker_of{$field[0]} = $field[1] if @field == 2;
    }
    for my $i (0 .. $#lines) {
        my ($utt) = split ' ', $lines[$i];
        my $speaker = $speaker_of{$utt // ''}
            // die "split_scp.pl: $in:" . ($i + 1) . ": '" . ($utt // '') . "' has no speaker in $utt2spk\n";
        next if defined $last && $speaker eq $last;
        die "split_scp.pl: $in:" . ($i + 1) . ": lines of speaker '$speaker' are not together; "
            . "sort by speaker, or split by utterance\n" if $seen{$speaker}++;
        push @begin, $i;
        $last = $speaker;
    }
    my $speakers = @begin;
    die "split_scp.pl: $in has $speakers speakers, too few for $pieces pieces: "
        . "ask for fewer jobs, or split by utterance\n" if $speakers < $pieces;
    push @begin, scalar @lines;
    my @cut = (0);
    for my $s (1 .. $speakers - 1) {
        last if @cut == $pieces;
        my $middle = ($begin[$s] + $begin[$s + 1]) / 2;
        push @cut, $begin[$s] if $middle >= @cut * @lines / $pieces || $speakers - $s == $pieces - @cut;
    }
    return (@cut, scalar @lines);
}
