# What run.pl and queue.pl have in common: the call form, the quoting of words, the job index, the reading of
# logs, --pick and the last words. Each of them adds only how a task is started and watched.
package JobWrapper;
use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(basename dirname);
use File::Path qw(make_path);
use Sys::Hostname qw(hostname);
use POSIX ();
our @EXPORT_OK = qw(warning fail parse_call task_log task_command make_log_dirs log_verdict pick_tasks report
                    now_text single_quote in_path positive run_sh_is_gone);

sub me { return basename($0) }
sub warning { print STDERR me() . ": warning: @_\n"; return }
sub fail { print STDERR me() . ": @_\n"; exit 1 }
sub now_text { return POSIX::strftime('%a %b %e %H:%M:%S %Z %Y', localtime) }

sub in_path {  # in_path(program): is it a command? Asked first, so that no error message has to be hidden
    my ($program) = @_;
    return scalar grep { -f "$_/$program" && -x _ } split /:/, $ENV{PATH} // '';
}

# True if the run.sh that started this process has ended: it was killed, and could not stop its jobs itself. run.sh says
# in RUN_SH who it is.
sub run_sh_is_gone {
    my ($host, $pid) = ($ENV{RUN_SH} // '') =~ /^(.+):([0-9]+)$/ or return 0;
    return 0 if $host ne hostname();
    return 1 if !kill(0, $pid) && $!{ESRCH};
    open(my $stat, '<', "/proc/$pid/stat") or return 0;
    return (<$stat> // '') =~ /^.*\) Z /s;  # ended, but not yet waited for
}

sub positive {  # positive(value, option): a whole number above 0, or the end
    my ($value, $option) = @_;
    fail("$option takes a whole number above 0, not '$value'") unless $value =~ /^[0-9]{1,9}$/ && $value > 0;
    return $value + 0;
}

# WRAPPER [options] [NAME=a:b] [options] LOGFILE COMMAND [ARG...]
# Returns {options => [[name, value], ...], native => [words for the scheduler], name, first, last, log, command}.
# `--x-y v` and `--x-y=v` become option x_y; single-dash words are native (the scheduler's own), each with one
# value, but -V with none and -pe with two, as ever.
sub parse_call {
    my ($usage, @words) = @_;
    my %call = (options => [], native => [], first => 1, last => 1);
    my $seen_name = 0;
    while (@words) {
        my $word = $words[0];
        if ($word =~ /^--(help)$|^-h$/ && @{$call{options}} == 0 && !$seen_name) { print $usage; exit 0 }
        if ($word =~ /^--([A-Za-z][\w-]*)(?:=(.*))?$/s) {
            my ($option, $value) = ($1, $2);
            shift @words;
            if (!defined $value) {
                fail("option --$option has no value\n$usage") unless @words;
                $value = shift @words;
                warning("the value of --$option is '$value': was its own value forgotten?") if $value =~ /^--/;
            }
            $option =~ tr/-/_/;
            push @{$call{options}}, [$option, $value];
        } elsif ($word =~ /^-/) {
            my $values = $word eq '-V' ? 0 : $word eq '-pe' ? 2 : 1;
            fail("option $word has no value\n$usage") if @words <= $values;
            my @native = splice @words, 0, 1 + $values;
            if ($word eq '-tc') { push @{$call{options}}, ['max_jobs_run', $native[1]] }
            else { push @{$call{native}}, \@native }
        } elsif (!$seen_name && $word =~ /^([A-Za-z_]\w*)=([0-9]{1,9})(?::([0-9]{1,9}))?$/) {
            @call{qw(name first last)} = ($1, $2, $3 // $2);
            fail("bad range in $word: write $1=a:b with 1 <= a <= b")
                if $call{first} < 1 || $call{last} < $call{first};
            $seen_name = 1;
            shift @words;
        } else {
            warning("'$word' looks like a job range but is not NAME=a:b with whole numbers; taken as the log file")
                if $word =~ /^[A-Za-z_]\w*=.*:/;
            last;
        }
    }
    if (@words < 2) { print STDERR $usage; exit 1 }
    my $log = shift @words;
    fail("the log file name is empty\n$usage") if $log eq '';
    @call{qw(log command)} = ($log, join(' ', map { quote_word($_) } @words));
    $_ += 0 for @call{qw(first last)};
    if (defined $call{name} && $call{last} > $call{first} && index($log, $call{name}) < 0) {
        my ($stem, $end) = $log =~ m{^(.*?)(\.[^./]*)?$}s;
        fail("one log file for parallel jobs: put $call{name} into its name, as in $stem.$call{name}"
            . ($end // '') . ", not $log");
    }
    return \%call;
}

# A word without white space stays as it is, so that the job's own bash sees `|`, `>`, `$X` and `*` that the
# caller escaped once (`\|`). A word with white space, or an empty one, is one argument and is kept literally.
sub quote_word {
    my ($word) = @_;
    return $word =~ /^\S+\z/ ? $word : single_quote($word);
}

sub single_quote {
    my ($word) = @_;
    $word =~ s/'/'\\''/g;
    return "'$word'";
}

sub put_index {
    my ($text, $call, $task) = @_;
    return $text unless defined $call->{name};
    $text =~ s/\Q$call->{name}\E/$task/g;
    return $text;
}
sub task_log { my ($call, $task) = @_; return put_index($call->{log}, $call, $task) }
sub task_command { my ($call, $task) = @_; return put_index($call->{command}, $call, $task) }

sub make_log_dirs {
    my ($call, @tasks) = @_;
    my %seen;
    for my $dir (grep { !$seen{$_}++ } map { dirname(task_log($call, $_)) } @tasks) {
        make_path($dir, {error => \my $errors});
        fail("cannot make the log directory $dir: " . join('; ', map { values %$_ } @$errors)
            . ". Free the name or choose another log file.") if @$errors || !-d $dir;
    }
    return;
}

# The verdict that stands in a log: its exit status (signal 9 alone reads 137), or undef for no log, no trailer,
# or a trailer older than the last start. Both wrappers' trailers are understood, so --pick works across them.
# A mark, if given, is a line that must stand beside the trailer.
sub log_verdict {
    my ($log, $mark) = @_;
    return unless -f $log;  # a device may have no end
    open(my $in, '<', $log) or return;
    my $size = -s $in;
    seek($in, $size > 8192 ? -8192 : -$size, 2) or return;
    my @lines = <$in>;
    splice @lines, 0, @lines - 10 if @lines > 10;
    return if defined $mark && !grep { $_ eq "$mark\n" } @lines;
    for my $line (reverse @lines) {
        return $2 ? 128 + $2 : $1 if $line =~ /^# Ended \(code ([0-9]+)(?:; signal ([0-9]+))?\)/;
        return $1 if $line =~ /^# Finished at .* with status ([0-9]+)$/;
        return if $line =~ /^# Started at /;
    }
    return;
}

# pick_tasks(call, all|failed|incomplete): (tasks to run, tasks that stay failed without a new run)
sub pick_tasks {
    my ($call, $pick) = @_;
    my @all = $call->{first} .. $call->{last};
    return (\@all, []) if $pick eq 'all';
    fail("--pick takes all, failed or incomplete, not '$pick'") unless $pick =~ /^(failed|incomplete)$/;
    my (@run, @stay_failed);
    for my $task (@all) {
        my $status = log_verdict(task_log($call, $task));
        if (!defined $status || ($status != 0 && $pick eq 'failed')) { push @run, $task }
        elsif ($status != 0) { push @stay_failed, $task }
    }
    print STDERR me() . ": --pick $pick: " . @run . ' of ' . @all . " jobs to run\n" if @run < @all;
    return (\@run, \@stay_failed);
}

# The last words and the exit status: 0 when every task did well, else 1, never the child's own code.
sub report {
    my ($call, $why) = @_;  # $why: task -> reason, for the failed ones
    my @failed = sort { $a <=> $b } keys %$why;
    return 0 unless @failed;
    my $count = $call->{last} - $call->{first} + 1;
    if ($count == 1) {
        my $log = task_log($call, $failed[0]);
        print STDERR me() . ": job failed, log is in $log\n" . me() . ": $why->{$failed[0]}\n", last_words($log);
        print STDERR me() . ": the name still has JOB in it: is JOB=1:n missing before it?\n" if $log =~ /JOB/;
    } else {
        my $logs = defined $call->{name} ? put_index($call->{log}, $call, '*') : $call->{log};
        print STDERR me() . ': ' . @failed . " / $count failed, log is in $logs\n";
        for my $task (@failed > 10 ? @failed[0 .. 9] : @failed) {
            print STDERR me() . ": $call->{name}=$task: $why->{$task}\n";
        }
        print STDERR me() . ': ... and ' . (@failed - 10) . " more\n" if @failed > 10;
        print STDERR last_words(task_log($call, $failed[0]));
    }
    return 1;
}

# What a failed job said last, so that nobody has to open its log for a misspelt key: its message from "NAME: error:"
# on (not that of the launcher above it), else its last lines.
sub last_words {
    my ($log) = @_;
    return '' unless -f $log;
    open(my $in, '<', $log) or return '';
    seek($in, -65536, 2) if -s $in > 65536;
    my @lines = grep { !/^#/ } <$in>;
    my $error = qr/^(?!srun|slurmstepd)\S+: error: |^\[rank[0-9]+\]: [\w.]+(?:Error|Exception)\b/;
    my ($from) = grep { $lines[$_] =~ $error } reverse 0 .. $#lines;
    @lines = @lines[(defined $from ? $from : @lines > 6 ? @lines - 6 : 0) .. $#lines];
    splice @lines, 24;
    return map { "  $_" } @lines;
}

1;
