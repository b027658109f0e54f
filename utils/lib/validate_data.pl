#!/usr/bin/env perl
# The checks of validate_data_dir.sh, which says what they are and parses the command line.
# One pass over each file, side by side with the list of utterances, so that a million lines take seconds.
use strict;
use warnings;

my $dir = shift @ARGV;
my @group = ([]);  # options, files by utterance, files by speaker, trial lists
for my $word (@ARGV) { if ($word eq '--') { push @group, [] } else { push @{$group[-1]}, $word } }
my %option = map { my ($name, $value) = split /=/; $name => $value eq 'true' } @{$group[0]};
my ($utt_files, $spk_files, $trial_files) = @group[1 .. 3];

my $sort = "run utils/fix_data_dir.sh $dir";
my $errors = 0;
sub complain {  # (file, line or 0, what, remedy)
    my ($file, $line, $what, $remedy) = @_;
    print STDERR "validate_data_dir.sh: $dir/$file" . ($line ? ":$line" : '') . ": $what; $remedy\n";
    $errors++;
    return;
}

my ($utts, $speaker_of) = read_table('utt2spk', 2, 2);
finish() unless @$utts;
my $has_segments = -f "$dir/segments";
my $recordings = $has_segments ? {} : undef;
my %checker = (
    'wav.scp' => \&check_wav, 'segments' => \&check_segment,
    'utt2dur' => sub { $_[0] =~ /^[0-9]*\.?[0-9]+(e[-+]?[0-9]+)?$/i && $_[0] > 0 ? undef
        : "the duration '$_[0]' is not a number above 0" },
    'utt2num_frames' => \&check_count, 'utt2num_samples' => \&check_count,
    'feats.scp' => \&check_ark, 'vad.scp' => \&check_ark,
);
my %fields = ('segments' => [4, 4], 'wav.scp' => [2, 0], 'feats.scp' => [2, 0], 'vad.scp' => [2, 0], 'text' => [1, 0],
    'utt2uniq' => [2, 2]);

check_speakers();
check_spk2utt();
for my $file (@$utt_files) {
    next if $file eq 'utt2spk';
    if (!-f "$dir/$file") {
        complain($file, 0, 'not there', 'make it, or pass --no-wav if that is meant')
            if $file eq 'wav.scp' && $option{wav};
        complain($file, 0, 'not there', 'make the features, or pass --no-feats before that stage')
            if $file eq 'feats.scp' && $option{feats};
        next;
    }
    next if $file eq 'wav.scp' && $has_segments;
    my ($keys) = read_table($file, @{$fields{$file} // [2, 2]}, $checker{$file});
    same_keys($file, $keys, $utts, 'utt2spk');
}
if ($has_segments && -f "$dir/wav.scp") {
    my ($keys) = read_table('wav.scp', 2, 0, \&check_wav);
    same_keys('wav.scp', $keys, [sort keys %$recordings], 'segments');
}
for my $file (grep { -f "$dir/$_" } @$spk_files) {
    my ($keys) = read_table($file, 2, 0);
    my %seen;
    same_keys($file, $keys, [sort grep { !$seen{$_}++ } @$speaker_of], 'spk2utt');
}
check_trials($_) for @$trial_files;
finish();

sub finish {
    if ($errors) {
        print STDERR "validate_data_dir.sh: $dir is not valid: $errors complaint" . ($errors > 1 ? 's' : '') . "\n";
        exit 1;
    }
    print "validate_data_dir.sh: $dir is valid: " . @$utts . " utterances\n";
    exit 0;
}

# Keys and second fields of a sorted table; complains of its form. At most three complaints a file: where one
# line is wrong, a thousand are.
sub read_table {
    my ($file, $least, $most, $check) = @_;
    my (@keys, @values, $last);
    my $shown = 0;
    my $handle;
    if (!open($handle, '<', "$dir/$file")) {
        complain($file, 0, "cannot be read: $!", 'every data directory has one');
        return ([], []);
    }
    # Most lines are right: one look says so, and only the others are taken apart.
    my $good = $most == 2 ? qr/^([^ \t\r\n]+) ([^ \t\r\n]+)\n\z/
        : $least == 2 ? qr/^([^ \t\r\n]+) ([^ \t\r\n](?:[^\t\r\n]*[^ \t\r\n])?)\n\z/ : qr/(?!)/;
    while (my $line = <$handle>) {
        if ($line =~ $good && (!defined $last || $1 gt $last)) {
            my ($key, $value) = ($1, $2);
            if (!$check || !defined $check->($value, $key)) {
                push @keys, $key;
                push @values, $value if $file eq 'utt2spk';
                $last = $key;
                next;
            }
        }
        my ($wrong, $remedy) = (undef, 'write one space between fields and none at the ends, or ' . $sort);
        if (!chomp $line) {
            ($wrong, $remedy) = ('the last line has no newline', 'the file may be cut short: remake it');
        }
        my ($key, $value) = split / /, $line, 2;
        $key //= '';
        $value //= '';
        my $count = 1 + ($value eq '' ? 0 : 1 + ($value =~ tr/ //));
        if ($line =~ /[\t\r]|^ | $|^$/ || ($most && $line =~ /  /)) {
            $wrong //= 'tab, carriage return, or stray space';
        } elsif ($count < $least || ($most && $count > $most)) {
            ($wrong, $remedy) = ("$count fields instead of $least" . ($most ? '' : ' or more') . ": $line",
                'mend the line; ids hold no spaces');
        } elsif (defined $last && $key eq $last) {
            ($wrong, $remedy) = ("'$key' is there twice", "remove one, or $sort (it keeps the first)");
        } elsif (defined $last && $key lt $last) {
            ($wrong, $remedy) = ("'$key' comes after '$last': not sorted by byte (LC_ALL=C)", $sort);
        } elsif ($check && defined(my $what = $check->($value, $key))) {
            ($wrong, $remedy) = ($what, 'mend the line');
            ($what, $remedy) = @$what if ref $what;
            $wrong = $what;
        }
        complain($file, $., $wrong, $remedy) if defined $wrong && $shown++ < 3;
        push @keys, $key;
        push @values, $value if $file eq 'utt2spk';
        $last = $key;
    }
    close $handle;
    print STDERR "validate_data_dir.sh: $dir/$file: ... and " . ($shown - 3) . " more\n" if $shown > 3;
    complain($file, 0, 'empty', 'remake it') unless @keys;
    return (\@keys, \@values);
}

sub same_keys {  # both lists sorted: the first difference tells, and how many there are
    my ($file, $have, $want, $other) = @_;
    my ($i, $missing, $extra, $where) = (0, 0, 0);
    $i++ while $i < @$have && $i < @$want && $have->[$i] eq $want->[$i];
    my $j = $i;
    while ($i < @$have || $j < @$want) {
        if ($j >= @$want || ($i < @$have && $have->[$i] lt $want->[$j])) {
            $where //= [$i + 1, "'$have->[$i]' is not in $other"];
            $extra++;
            $i++;
        } elsif ($i >= @$have || $have->[$i] gt $want->[$j]) {
            $where //= [$i < @$have ? $i + 1 : $i, "'$want->[$j]' of $other (line " . ($j + 1) . ') is missing'];
            $missing++;
            $j++;
        } else { $i++; $j++ }
    }
    complain($file, $where->[0], "$where->[1] ($missing missing, $extra too many, against " . @$want . " in $other)",
        "find out why, then $sort to keep what all files have") if $where;
    return;
}

sub check_speakers {
    my (%seen, $last);
    for my $i (0 .. $#$utts) {
        my $speaker = $speaker_of->[$i];
        if ($option{unlabelled} && $speaker ne $utts->[$i]) {
            complain('utt2spk', $i + 1, "speaker '$speaker' in a set declared unlabelled",
                'write the utterance as its own speaker; labels belong in utt2spk.truth');
            last;
        }
        next if defined $last && $speaker eq $last;
        if ($option{spk_sort} && defined $last && $speaker lt $last) {
            complain('utt2spk', $i + 1, "speaker '$speaker' comes after '$last': not sorted by speaker",
                'start each utterance id with its speaker id and "-", or pass --no-spk-sort');
            last;
        }
        $seen{$speaker}++;
        $last = $speaker;
    }
    print STDERR "validate_data_dir.sh: warning: $dir has one speaker only\n" if keys %seen == 1 && @$utts > 1;
    return;
}

sub check_spk2utt {  # the exact inverse of utt2spk
    my $handle;
    if (!open($handle, '<', "$dir/spk2utt")) {
        return complain('spk2utt', 0, "cannot be read: $!",
            "utils/utt2spk_to_spk2utt.pl $dir/utt2spk > $dir/spk2utt");
    }
    my (%utts_of, @order);
    for my $i (0 .. $#$utts) {
        push @order, $speaker_of->[$i] unless exists $utts_of{$speaker_of->[$i]};
        $utts_of{$speaker_of->[$i]} .= " $utts->[$i]";
    }
    @order = sort @order if $option{spk_sort};
    my $remedy = "utils/utt2spk_to_spk2utt.pl $dir/utt2spk > $dir/spk2utt";
    while (my $line = <$handle>) {
        my $speaker = shift @order;
        next if defined $speaker && $line eq "$speaker$utts_of{$speaker}\n";
        my ($found) = split ' ', $line;
        return complain('spk2utt', $., "the line of speaker '" . ($found // '')
            . "' is not what utt2spk gives (speaker '" . ($speaker // 'none') . "')", $remedy);
    }
    complain('spk2utt', $., "speaker '$order[0]' of utt2spk is missing", $remedy) if @order;
    return;
}

sub check_wav {
    my ($value, $key) = @_;
    return ["'~' is not expanded by anyone: $value", 'write the whole path'] if $value =~ /^~/;
    if ($value =~ /\|\s*$/) {
        return $option{allow_pipes} ? undef
            : ["'$key' is a command, which would run when read", 'write a file, or pass --allow-pipes true'];
    }
    return;
}

sub check_ark {
    my ($value) = @_;
    return $value =~ /\|\s*$/ ? ["'$value' is a command", 'write file:offset'] : undef;
}

sub check_count {
    my ($value) = @_;
    return $value =~ /^[1-9][0-9]*$/ ? undef : "'$value' is not a whole number above 0";
}

sub check_segment {
    my ($value) = @_;
    my ($recording, $from, $to, @rest) = split / /, $value;
    $recordings->{$recording} = 1;
    return if !@rest && "$from $to" =~ /^[0-9.]+ [0-9.]+$/ && $to > $from;
    return ["the segment from $from to $to seconds is empty or not a number", 'the end must be above the start'];
}

sub check_trials {
    my ($file) = @_;
    my %known = map { $_ => 1 } @$utts;
    my %count = (target => 0, nontarget => 0);
    my $shown = 0;
    open(my $handle, '<', "$dir/$file") or return complain($file, 0, "cannot be read: $!", 'remake it');
    while (my $line = <$handle>) {
        my @wrong;
        my $whole = chomp $line;
        my @field = split / /, $line, -1;
        if (!$whole) { @wrong = ('the last line has no newline', 'the file may be cut short: remake it') }
        elsif (@field != 3 || $line =~ /[\t\r]/) {
            @wrong = ('not "utterance utterance target|nontarget": ' . $line, 'mend the line');
        } elsif (!exists $count{$field[2]}) {
            @wrong = ("'$field[2]' is neither target nor nontarget", 'write 1 as target and 0 as nontarget');
        } else {
            $count{$field[2]}++;
            for my $utt (grep { !$known{$_} } @field[0, 1]) {
                @wrong = ("'$utt' is not in utt2spk", 'prepare the whole test set, or drop the trial');
            }
        }
        complain($file, $., @wrong) if @wrong && $shown++ < 3;
    }
    print STDERR "validate_data_dir.sh: $dir/$file: ... and " . ($shown - 3) . " more\n" if $shown > 3;
    for my $class (grep { !$count{$_} } sort keys %count) {
        complain($file, 0, "no $class trial", 'an error rate needs both classes') unless $shown;
    }
    return;
}
