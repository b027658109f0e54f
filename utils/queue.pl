#!/usr/bin/env perl
# Submits a command, or JOB=a:b copies of it as one job array, to Slurm, waits until it has ended, and reports like
# run.pl. conf/queue.conf says which options sbatch gets.
#
# How it waits: a task that ends writes a trailer into its log, and queue.pl polls the logs. At times it asks squeue for
# tasks that can no longer write a trailer (out of memory, time limit, lost node). `sbatch --wait` would not do: it polls
# every 2 to 10 s, gives one exit status for a whole array, and does not say why a task failed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use JobWrapper qw(warning fail parse_call task_log make_log_dirs log_verdict pick_tasks report single_quote in_path
    positive run_sh_is_gone);
use Cwd qw(getcwd);
use File::Basename qw(basename dirname);
use File::Path qw(make_path);
use Text::ParseWords qw(shellwords);
use Time::HiRes qw(time sleep);

my $usage = <<'USAGE';
usage: queue.pl [options] [JOB=1:n] [options] LOGFILE COMMAND [ARG...]
  --mem 4G --num-threads N --gpu N --time T --num-nodes N
                    as conf/queue.conf translates them for sbatch
  --max-jobs-run N  at most N tasks of the array at once
  --config FILE     instead of conf/queue.conf
  --pick WHICH      all | failed (also those never run) | incomplete, by the verdicts in the logs (default all)
  --max-retries N   submit a failed task again, up to N times, unless someone cancelled it (default 0); its
                    earlier log stays as LOGFILE.bak
  -x VALUE          single-dash options go to sbatch as they are
JOB in LOGFILE and COMMAND becomes the task's number. Each job sources ./path.sh, if there is one.
e.g.  utils/queue.pl --mem 2G JOB=1:4 exp/log/count.JOB.log wc -l data/train/split4/JOB/utt2spk
USAGE

my $call = parse_call($usage, @ARGV);
my ($pick, $retries, $limit, $config, @given) = ('all', 0);
for (@{$call->{options}}) {
    my ($name, $value) = @$_;
    if ($name eq 'pick') { $pick = $value }
    elsif ($name eq 'config') { $config = $value }
    elsif ($name eq 'max_retries') { $retries = $value eq '0' ? 0 : positive($value, '--max-retries') }
    else { push @given, $_ }
    $limit = positive($value, '--max-jobs-run') if $name eq 'max_jobs_run' && (!$limit || $value < $limit);
}
my ($submit, $threads) = read_config($config, \@given);
for (@{$call->{native}}) {
    next if $_->[0] eq '-V';  # the environment goes along anyway
    fail('-pe is for SGE; write --num-threads N') if $_->[0] eq '-pe';
    push @$submit, @$_;
}

my ($todo, $stay_failed) = pick_tasks($call, $pick);
my %why = map { $_ => 'failed before and not picked' } @$stay_failed;
exit report($call, \%why) unless @$todo;
make_log_dirs($call, @$todo);
my ($script, $scheduler_log) = write_script();

my $told = 0;  # times that squeue failed
my $caught;
$SIG{$_} = sub { $caught = $_[0] } for qw(INT TERM HUP);
my @wave = @$todo;
for my $round (0 .. $retries) {
    my $failed = run_wave(@wave);
    @wave = grep { $failed->{$_}{state} ne 'CANCELLED' } sort { $a <=> $b } keys %$failed;
    $why{$_} = $failed->{$_}{reason} for keys %$failed;
    last if $round == $retries || !@wave;
    print STDERR 'queue.pl: submitting again (' . ($round + 1) . " of $retries): "
        . join(', ', map { task_log($call, $_) . " $why{$_}" } @wave) . "\n";
    delete @why{@wave};
}
exit report($call, \%why);

# Submits the tasks as one job and waits for all of them. task -> {state, reason} of those that failed.
sub run_wave {
    my @tasks = @_;
    for my $log (map { task_log($call, $_) } @tasks) {  # otherwise an old verdict would be taken for the new one
        next unless -e $log || -l $log;
        if ($retries > 0 && -f $log) { rename($log, "$log.bak") or fail("cannot rename $log: $!") }
        else { unlink($log) or fail("cannot remove the old log $log: $!. Remove it by hand.") }
    }
    my $job = submit(@tasks);
    my %open = map { $_ => 1 } @tasks;
    my (%failed, %gone, %signalled);
    my ($pause, $ask_pause, $ask_at) = (0.05, 1, time + 1);
    while (%open) {
        $caught ||= 'KILL of run.sh' if run_sh_is_gone();
        cancel($job) if $caught;
        for my $task (keys %open) {
            my $status = log_verdict(task_log($call, $task), $job->{mark}) // next;
            if ($status > 128) {  # why, and whether that was the end, Slurm knows
                ($ask_pause, $ask_at) = (0.3, time) unless $signalled{$task};
                $signalled{$task} //= time;
                next;
            }
            delete $open{$task};
            $failed{$task} = {state => '', reason => "ended with status $status"} if $status;
        }
        last unless %open;
        if (time >= $ask_at) {
            my $state = ask($job, keys %open);
            for my $task (keys %open) {
                my $status = log_verdict(task_log($call, $task), $job->{mark});
                my $end = $state ? over($state->{$task}) : '';
                if (defined $status && $status > 128) {
                    next if $state ? !$end : time - ($signalled{$task} //= time) < 3;
                    $failed{$task} = {state => $end, reason => "ended with status $status"
                        . reason_of_signal($status, $end, $job)};
                } else {
                    delete $signalled{$task};  # Slurm has started it again
                    if (!$end) { delete $gone{$task} if $state; next }  # it may be back in the queue after a lost node
                    next if defined $status;
                    $gone{$task} //= time;
                    # The trailer may still be on its way through a network file system.
                    my $patience = $end eq 'unknown' || $end eq 'COMPLETED' ? 60 : 1;
                    next if time - $gone{$task} < $patience;
                    $failed{$task} = {state => $end, reason => reason($end, $job)};
                }
                delete $open{$task};
            }
            $ask_pause = $ask_pause * 1.3 > 15 ? 15 : $ask_pause * 1.3;
            $ask_pause = $pause = 0.3 if %gone;
            $ask_at = time + $ask_pause;
        }
        sleep $pause;  # a signal ends it early
        $pause = $pause * 1.2 > 1 ? 1 : $pause * 1.2;
    }
    cancel($job) if $caught;
    return \%failed;
}

# What Slurm adds to the trailer of a command that a signal ended. A job that is put back into the queue leaves such a
# trailer, too, where the signal reaches the command before the shell around it.
sub reason_of_signal {
    my ($status, $end, $job) = @_;
    return '; ' . reason($end, $job) if $end !~ /^(FAILED|COMPLETED|unknown|)$/;
    return $status == 137 ? ', killed by signal 9: did the memory run out? Raise --mem' : '';
}

sub over {  # returns the state of a task that is over, else an empty string
    my ($known) = @_;
    return 'unknown' unless defined $known;
    my ($state, $id) = @$known;
    return '' if $state
        !~ /^(COMPLETED|FAILED|OUT_OF_MEMORY|TIMEOUT|CANCELLED|NODE_FAIL|BOOT_FAIL|PREEMPTED|DEADLINE)/;
    # Without cgroups, Slurm reports a job that it killed for its memory only in the text of its log.
    if ($1 eq 'FAILED' && -s $scheduler_log && open(my $in, '<', $scheduler_log)) {
        return 'OUT_OF_MEMORY' if grep { /\bStepId=$id\./ && /exceeded memory limit|oom.kill/i } <$in>;
    }
    return $state;
}

sub reason {
    my ($state, $job) = @_;
    my %advice = (
        OUT_OF_MEMORY => 'it ran out of memory: raise --mem',
        TIMEOUT => 'it reached the time limit: raise --time, or run it again where it resumes by itself',
        CANCELLED => 'someone cancelled it (scancel)',
        NODE_FAIL => 'its node failed: run it again, or use --max-retries',
        BOOT_FAIL => 'its node did not start: run it again, or use --max-retries',
        PREEMPTED => 'a job of higher priority took its place: run it again, or use --max-retries',
        DEADLINE => 'its deadline passed',
        FAILED => 'it ended without a verdict in its log: is the disk full, or the log directory not on the node?',
        COMPLETED => 'it ended without a verdict in its log: is the log directory shared with the node?',
        unknown => 'Slurm no longer knows it and its log has no verdict',
    );
    return "Slurm state $state of job $job->{id}: $advice{$state}"
        . (-s $scheduler_log ? "; Slurm's own words are in $scheduler_log" : '');
}

# Returns task -> [state, Slurm's own number of it] for the tasks that Slurm still knows, or undef if Slurm does not
# answer.
sub ask {
    my ($job, @tasks) = @_;
    my ($status, $text) = capture('squeue', @{$job->{cluster}}, '--noheader', '--array', '--states=all',
        "--jobs=$job->{id}", '--format=%K|%A|%T|%r');
    my %state;
    if ($status != 0 && $text !~ /Invalid job id/) {
        print STDERR "queue.pl: warning: squeue fails, going by the logs alone until it answers: $text" unless $told++;
        return;
    }
    for (split /\n/, $text) {
        my ($index, $id, $state, $reason) = /^([^|]+)\|([0-9]+)\|([A-Z_]+)\|(.*)$/ or next;
        $state{defined $call->{name} ? $index : $call->{first}} = [$state, $id];
        next unless $state eq 'PENDING' && $reason =~ /held|BadConstraints|NeverSatisfied|launch failed/i;
        warning("job $job->{id} waits for a person: $reason (scontrol show job $job->{id})") unless $job->{warned}++;
    }
    if ((grep { !defined $state{$_} } @tasks) && in_path('sacct')) {  # forgotten by squeue after some minutes
        ($status, $text) = capture('sacct', @{$job->{cluster}}, '-n', '-X', '-P', '-o', 'JobID,JobIDRaw,State',
            '-j', $job->{id});
        for (split /\n/, $status == 0 ? $text : '') {
            my ($index, $id, $state) = /^[0-9]+(?:_([0-9]+))?\|([0-9]+)\|([A-Z_]+)/ or next;
            $state{$index // $call->{first}} //= [$state, $id];
        }
    }
    return \%state;
}

sub submit {
    my @tasks = @_;
    my @words = @$submit;
    if (defined $call->{name}) {
        push @words, '--array=' . ranges(@tasks) . ($limit && @tasks > 1 ? "%$limit" : '');
    }
    unlink $scheduler_log;
    for my $try (1 .. 5) {
        my ($status, $text) = capture(@words, '--parsable', $script);
        if ($status == 0 && $text =~ /^([0-9]+)(?:;(\S+))?$/m) {
            # The mark tells this job's trailer from the trailer of another log that the job may have printed.
            return {id => $1, mark => "# Accounting: job=$1", cluster => defined $2 ? ["--clusters=$2"] : []};
        }
        exit 2 if $caught;
        # Try again only where Slurm cannot have accepted the job: to submit twice would be worse than to stop.
        fail("cannot submit $script: $text" . "The command was: @words $script\n"
            . 'queue.pl: mend the options or the submission lines of the configuration')
            if $try == 5 || $text !~ /Unable to contact slurm controller|Connection refused|temporarily unavailable/i;
        print STDERR "queue.pl: warning: $text" . "queue.pl: trying again in ${\ (2 ** $try)} s\n";
        sleep 2 ** $try;
    }
    return;
}

sub cancel {
    my ($job) = @_;
    print STDERR "queue.pl: caught SIG$caught, cancelling job $job->{id}\n";
    my ($status, $text) = capture('scancel', @{$job->{cluster}}, $job->{id});
    print STDERR "queue.pl: scancel failed, cancel job $job->{id} by hand: $text\n" if $status != 0;
    exit 2;
}

sub capture {  # returns (exit status, stdout and stderr) of a command that Ctrl-C does not reach
    my @words = @_;
    my $pid = open(my $out, '-|') // fail("cannot start another process: $!");
    if ($pid == 0) {
        setpgrp(0, 0);
        open(STDERR, '>&', \*STDOUT) or exit 126;
        { no warnings 'exec'; exec {$words[0]} @words; }
        print "cannot run $words[0]: $!\n";
        exit 127;
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8 || $? & 127, $text);
}

sub ranges {  # 1 2 3 7 -> 1-3,7
    my @tasks = @_;
    my @parts;
    for my $task (@tasks) {
        if (@parts && $parts[-1][1] == $task - 1) { $parts[-1][1] = $task }
        else { push @parts, [$task, $task] }
    }
    return join ',', map { $_->[0] == $_->[1] ? $_->[0] : "$_->[0]-$_->[1]" } @parts;
}

# Turns the configuration and the given options into the words of the submission, in the order of the file.
sub read_config {
    my ($file, $given) = @_;
    if (!defined $file) {
        ($file) = grep { -e } 'conf/queue.conf', "$FindBin::RealBin/../conf/queue.conf";
        fail('there is no conf/queue.conf; write one or give --config FILE') unless defined $file;
    }
    open(my $in, '<', $file) or fail("cannot read the configuration $file: $!");
    my (@command, @order, %words, %value);
    while (my $line = <$in>) {
        $line =~ s/#.*|\s+$//g;
        next unless $line =~ /\S/;
        if ($line =~ /^\s*command\s+(.+)$/) { @command = shellwords($1) }
        elsif ($line =~ /^\s*default\s+(\w+)=(\S+)$/) { $value{$1} = $2 }
        elsif ($line =~ /^\s*option\s+(\w+)=(\S+)(?:\s+(.*))?$/) {
            push @order, $1 unless $words{$1};
            $words{$1}{$2} = [shellwords($3 // '')];
        } else { fail("$file:$.: not a command, option or default line: $line") }
    }
    fail("$file has no 'command' line, such as: command sbatch") unless @command;
    $value{$_->[0]} = $_->[1] for @$given;
    for my $name (sort keys %value) {
        (my $option = $name) =~ tr/_/-/;
        fail("option --$option is not described in $file: add a line 'option $name=* ...'") unless $words{$name};
        next if $words{$name}{$value{$name}} || $words{$name}{'*'};
        fail("--$option $value{$name} is not allowed by $file, only " . join(', ', sort keys %{$words{$name}}));
    }
    for my $name (grep { exists $value{$_} } @order) {
        my $word = $value{$name};
        push @command, map { join $word, split /\$0/, $_, -1 } @{$words{$name}{$word} // $words{$name}{'*'}};
    }
    return (\@command, $value{num_threads} // 1);
}

# DIR/q/BASE.sh, the script every task runs, and DIR/q/BASE, where Slurm puts its own messages
sub write_script {
    my $plain = $call->{log};
    $plain =~ s/\.?\Q$call->{name}\E//g if defined $call->{name};
    my $dir = dirname($plain);
    $dir = '.' if $dir eq 'log';  # q is made beside log
    $dir =~ s{/log$}{};
    make_path("$dir/q", {error => \my $errors});
    fail("cannot make $dir/q: " . join('; ', map { values %$_ } @$errors)) if @$errors;
    my $base = basename($plain);
    my ($file, $output) = ("$dir/q/$base", "$dir/q/$base");
    $file =~ s/(\.[A-Za-z]{1,5})?$/.sh/;
    (my $pattern = $output) =~ s/%/%%/g;  # sbatch would fill in a %j
    my ($sbatch) = grep { $submit->[$_] =~ /sbatch$/ } 0 .. $#$submit;  # another word may come before it
    splice @$submit, ($sbatch // 0) + 1, 0, "--job-name=$base", "--output=$pattern", '--open-mode=append';
    my %fill = (NAME => $call->{name} // '', LOG => $call->{log}, COMMAND => $call->{command}, DIR => getcwd(),
        THREADS => $threads);
    $_ = single_quote($_) for values %fill;
    my $text = do { local $/; <DATA> };
    $text =~ s/\@(NAME|LOG|COMMAND|DIR|THREADS)\@/$fill{$1}/g;
    open(my $out, '>', $file) or fail("cannot write $file: $!");
    if (!print({$out} $text) || !close $out) { fail("cannot write $file: $!. Is the disk full?") }
    return ($file, $output);
}

__DATA__
#!/usr/bin/env bash
# Written by queue.pl: what one task does. Slurm keeps its own copy of it.
name=@NAME@
log=@LOG@
command=@COMMAND@
cd @DIR@ || exit 1
job=$SLURM_JOB_ID
if [ -n "$name" ]; then
  job=$SLURM_ARRAY_JOB_ID
  log=${log//"$name"/"$SLURM_ARRAY_TASK_ID"}
  command=${command//"$name"/"$SLURM_ARRAY_TASK_ID"}
fi
restart=${SLURM_RESTART_COUNT:-0}
# Slurm may start a task a second time (lost node, pre-emption). The log of the second start follows that of the first.
# Slurm does so as soon as a node is silent, and the first start may still be running there. So all processes of a start
# hold a lock on the log. The next start waits for the lock, and does nothing if the first one ended well.
if [ "$restart" -eq 0 ]; then : >"$log" || exit 1; fi
exec >>"$log" 2>&1 </dev/null
lock=$(command -v flock)
if [ "$restart" -eq 0 ]; then
  ${lock:-:} -n 1
else
  printf '# Start %d, on %s\n' "$((restart + 1))" "$HOSTNAME"
  ${lock:-:} 1
  tail -n 4 "$log" | sed -n "/^# Accounting: job=$job\$/,\$p" | grep -q '^# Finished .* with status 0$' && exit 0
fi
printf '# Running on %s\n# Started at %(%a %b %e %H:%M:%S %Z %Y)T\n' "$HOSTNAME" -1 || exit 1
for variable in "${!SLURM_@}"; do printf '# %s=%s\n' "$variable" "${!variable}"; done
printf '# %s\n' "${command//$'\n'/$'\n'# }"
if [ "${SLURM_JOB_NUM_NODES:-1}" -gt 1 ]; then  # where the processes of several nodes connect
  MASTER_ADDR=$(scontrol show node "$SLURMD_NODENAME" | sed -n 's/.*\<NodeAddr=\([^ ]*\).*/\1/p')
  export MASTER_ADDR MASTER_PORT=$((20000 + SLURM_JOB_ID % 12000))
fi
SECONDS=0
(
  if [ -f ./path.sh ]; then . ./path.sh; fi
  set +eu
  exec bash -c "$command"
)
status=$?
[ -z "$(tail -c 1 "$log")" ] || echo
printf '# Accounting: job=%s\n# Accounting: time=%d threads=%s\n' "$job" "$SECONDS" @THREADS@
printf '# Finished at %(%a %b %e %H:%M:%S %Z %Y)T with status %d\n' -1 "$status" || exit 1
[ "$status" -eq 0 ]
