#!/usr/bin/env perl
# spk2utt_to_utt2spk.pl [spk2utt] > utt2spk
# Turns each line `spk utt utt ...` into lines `utt spk`, in the order of the input. The output is sorted only if every
# utterance id begins with its speaker id. Otherwise pipe it through sort.
use strict;
use warnings;
while (<>) {
    my ($speaker, @utts) = split ' ';
    die "$0: $ARGV:$.: expected 'speaker utterance ...', found no utterance: $_" unless @utts;
    print map { "$_ $speaker\n" } @utts;
}
close STDOUT or die "$0: cannot write: $!\n";
