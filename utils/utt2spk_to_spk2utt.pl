#!/usr/bin/env perl
# utt2spk_to_spk2utt.pl [utt2spk] > spk2utt
# Turns lines `utt spk` into lines `spk utt utt ...`. Speakers and utterances keep the order of the input.
use strict;
use warnings;
my (%utts, @speakers);
while (<>) {
    my @field = split ' ';
    die "$0: $ARGV:$.: expected 'utterance speaker', found " . @field . " fields: $_" if @field != 2;
    push @speakers, $field[1] unless exists $utts{$field[1]};
    $utts{$field[1]} .= " $field[0]";
}
print "$_$utts{$_}\n" for @speakers;
close STDOUT or die "$0: cannot write: $!\n";
