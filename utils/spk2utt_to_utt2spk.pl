#!/usr/bin/env perl
# spk2utt_to_utt2spk.pl [spk2utt] > utt2spk
# `spk utt utt ...` lines become `utt spk` lines, in the order in which they come: sorted only when the
# speaker is a prefix of the utterance, so pipe it through sort if that is not sure.
use strict;
use warnings;
while (<>) {
    my ($speaker, @utts) = split ' ';
    die "$0: $ARGV:$.: expected 'speaker utterance ...', found no utterance: $_" unless @utts;
    print map { "$_ $speaker\n" } @utts;
}
close STDOUT or die "$0: cannot write: $!\n";
