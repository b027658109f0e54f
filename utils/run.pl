#!/usr/bin/env perl
# Runs a command, or JOB=a:b copies of it in parallel, on this machine, each with its own log.
# queue.pl takes the same arguments and submits the jobs to Slurm.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use JobWrapper qw(warning fail parse_call task_log task_command make_log_dirs pick_tasks report now_text in_path
    positive run_sh_is_gone);
use Fcntl qw(SEEK_END);
use POSIX qw(:sys_wait_h :signal_h);
use Time::HiRes ();

my $usage = <<'USAGE';
usage: run.pl [options] [JOB=1:n] [options] LOGFILE COMMAND [ARG...]
  --max-jobs-run N  at most N at once (default: the number of processors; with --gpu, of free device sets)
  --gpu G           devices per job: each gets its own CUDA_VISIBLE_DEVICES (default 0: left alone)
  --num-threads N   only written into the log here
  --pick WHICH      all | failed (also those never run) | incomplete, by the verdicts in the logs (default all)
  Any other option (--mem, --time, --config ...) is for queue.pl and is passed over with its value.
JOB in LOGFILE and COMMAND becomes the job's number. Write \| \> \* for what the job's own bash must see.
e.g.  utils/run.pl JOB=1:4 exp/log/count.JOB.log wc -l data/train/split4/JOB/utt2spk \| cut -d' ' -f1
USAGE

my $call = parse_call($usage, @ARGV);
my ($gpu, $threads, $pick, $limit) = (0, 1, 'all', undef);
for (@{$call->{options}}) {
    my ($name, $value) = @$_;
    if ($name eq 'gpu') { $gpu = $value eq '0' ? 0 : positive($value, '--gpu') }
    elsif ($name eq 'num_threads') { $threads = positive($value, '--num-threads') }
    elsif ($name eq 'pick') { $pick = $value }
    elsif ($name eq 'max_jobs_run') {
        positive($value, '--max-jobs-run');
        $limit = $value if !defined $limit || $value < $limit;  # the smallest wins
    }
}

my ($todo, $stay_failed) = pick_tasks($call, $pick);
my %why = map { $_ => 'failed before and not picked' } @$stay_failed;
make_log_dirs($call, @$todo);
my @devices = $gpu ? visible_devices() : ();
my %load = map { $_ => 0 } @devices;  # device -> jobs on it now
$limit //= default_limit(scalar @$todo);

# Signals are blocked except during sigsuspend, so that none is lost between the last check and the sleep.
my $caught;
my $door = POSIX::SigSet->new(SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGALRM);
my $open = POSIX::SigSet->new();
$SIG{$_} = sub { $caught = $_[0] } for qw(INT TERM HUP);
$SIG{$_} = sub { } for qw(CHLD ALRM);
sigprocmask(SIG_BLOCK, $door, $open);

my %running;  # pid -> {task, log (file handle), file, start, devices}
while ((@$todo || %running) && !$caught) {
    start(shift @$todo) while @$todo && keys %running < $limit;
    alarm 1 if $ENV{RUN_SH};  # looks after run.sh once a second
    sigsuspend($open) unless !%running || reap();
    $caught ||= 'KILL of run.sh' if run_sh_is_gone();
}
stop_all() if $caught;
exit report($call, \%why);

sub start {
    my ($task) = @_;
    my $file = task_log($call, $task);
    my $command = task_command($call, $task);
    my $log;
    if (!open($log, '+>', $file)) {
        $why{$task} = "cannot write $file: $!";
        return;
    }
    my @use = $gpu ? (sort { $load{$a} <=> $load{$b} } @devices)[0 .. $gpu - 1] : ();
    @use = grep { defined } @use;
    my $head = '# ' . join("\n# ", split /\n/, $command, -1) . "\n# Started at " . now_text() . "\n#\n";
    $head .= '# CUDA_VISIBLE_DEVICES=' . join(',', @use) . "\n" if @use;
    if (!write_through($log, $head)) {
        $why{$task} = "cannot write $file: $!";
        return;
    }
    my $pid = fork // fail("cannot start another process: $!. Lower --max-jobs-run.");
    if ($pid == 0) {
        setpgrp(0, 0);  # a group of its own: the job can be stopped with all processes that it started
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP CHLD ALRM);
        sigprocmask(SIG_SETMASK, $open);
        $ENV{CUDA_VISIBLE_DEVICES} = join(',', @use) if @use;
        open(STDIN, '<', '/dev/null') or POSIX::_exit(126);
        open(STDOUT, '>>&', $log) or POSIX::_exit(126);
        open(STDERR, '>>&', $log) or POSIX::_exit(126);
        exec 'bash', '-c', $command or print STDERR "run.pl: cannot start bash: $!\n";
        POSIX::_exit(126);
    }
    $load{$_}++ for @use;
    $running{$pid} = {task => $task, log => $log, file => $file, start => Time::HiRes::time(), devices => \@use};
    return;
}

sub reap {  # handles the children that ended and returns their number
    my $ended = 0;
    while ((my $pid = waitpid(-1, WNOHANG)) > 0) {
        my $status = $?;
        my $job = delete $running{$pid} or next;
        $ended++;
        $load{$_}-- for @{$job->{devices}};
        my ($code, $signal) = ($status >> 8, $status & 127);
        my $seconds = sprintf '%.0f', Time::HiRes::time() - $job->{start};
        my $tail = ends_in_newline($job->{log}) ? '' : "\n";
        $tail .= "# Accounting: time=$seconds threads=$threads\n# Ended (code $code"
            . ($signal ? "; signal $signal" : '') . ') at ' . now_text() . ", elapsed time $seconds seconds\n";
        my $written = write_through($job->{log}, $tail);
        my $error = "$!";
        my $memory = 'did the memory run out? dmesg knows';
        my $reason = $signal ? "killed by signal $signal" . ($signal == 9 ? " ($memory)" : '')
            : $code == 137 ? "ended with code 137, a child killed by signal 9 ($memory)"
            : $code ? "ended with code $code"
            : $written ? undef
            : "the log $job->{file} could not be finished: $error. Free disk space and run it again.";
        $why{$job->{task}} = $reason if defined $reason;
    }
    return $ended;
}

sub stop_all {  # Ctrl-C or kill: TERM, then KILL, to every job's process group; exit 2
    print STDERR "run.pl: caught SIG$caught, stopping " . keys(%running) . " jobs\n";
    kill 'TERM', map { -$_ } keys %running;
    my $deadline = Time::HiRes::time() + 3;
    my @groups = keys %running;
    while (%running && Time::HiRes::time() < $deadline) { reap() or Time::HiRes::sleep(0.05) }
    kill 'KILL', map { -$_ } @groups;  # also processes that outlived the shell of their job
    while (%running) { reap() or Time::HiRes::sleep(0.05) }
    exit 2;
}

sub write_through {  # unbuffered, so that a full disk is noticed; after all that the job wrote
    my ($handle, $text) = @_;
    return sysseek($handle, 0, SEEK_END) && (syswrite($handle, $text) // -1) == length $text;
}

sub ends_in_newline {
    my ($handle) = @_;
    my $last = "\n";
    return 1 unless -f $handle && sysseek($handle, -1, SEEK_END) && sysread($handle, $last, 1);
    return $last eq "\n";
}

sub visible_devices {
    my @found;
    if (defined $ENV{CUDA_VISIBLE_DEVICES}) {
        @found = grep { /\S/ } split /,/, $ENV{CUDA_VISIBLE_DEVICES};
    } elsif (in_path('nvidia-smi')) {
        open(my $list, '-|', 'nvidia-smi', '-L') or fail("cannot run nvidia-smi: $!");
        @found = map { /^GPU ([0-9]+):/ ? $1 : () } <$list>;
        close $list;
    }
    warning("--gpu $gpu, but no device is to be seen (nvidia-smi -L, CUDA_VISIBLE_DEVICES): one job at a time")
        unless @found;
    fail("--gpu $gpu, but only " . @found . ' visible: ' . join(',', @found)) if @found && @found < $gpu;
    return @found;
}

sub default_limit {
    my ($jobs) = @_;
    return int(@devices / $gpu) || 1 if $gpu;
    my ($counter) = grep { in_path($_->[0]) } ['nproc'], ['getconf', '_NPROCESSORS_ONLN'];
    my $cores = 10;
    delete local @ENV{qw(OMP_NUM_THREADS OMP_THREAD_LIMIT)};  # nproc would answer with these
    if ($counter && open(my $count, '-|', @$counter)) {
        my $line = <$count> // '';
        close $count;
        $cores = $1 if $line =~ /^([1-9][0-9]*)$/;
    }
    return $jobs > $cores && $jobs < 1.4 * $cores ? $jobs : $cores;  # a short second round costs more
}
