#!/usr/bin/perl
# A small toolstack that keeps its domain's configuration as the design `xenstore_first_locked` says, on stores of its
# own in memory, and that lets itself be driven. Read it to learn the protocol (docs/external.md is the reference):
#
#     confsync conform --external 'perl examples/toolstack.pl'
#
# It reads one request a line and answers each with one line, both JSON. Nothing moves but at a request: `step` lets
# one process do its next small thing, so whoever asks decides who comes when. Needs Perl 5.14 with its own modules.
#
#     --bug=NAME       do it in one of the wrong orders of %BUGS below
#     --no-fail        do not offer to let calls fail
#     --no-snapshots   do not offer to save and restore

use strict;
use warnings;
use JSON::PP;
use Storable qw(dclone);

my ($ABSENT, $EMPTY, $MADE_UP) = qw(absent empty made_up);
my $json = JSON::PP->new->utf8->canonical;

# The operations: the small steps of each, in order.
my @INSERT = qw(lock read_template refuse_unless_empty write_template load_medium unlock);
my @EJECT = qw(lock read_template unload_medium write_template_empty unlock);
my %STEPS = (
    create => [qw(lock make_domain write_whole_template enter_devices allocate_devices unpause unlock)],
    attach => [qw(lock read_template refuse_if_present write_template enter_xenstore unlock allocate)],
    detach => [qw(mark_closing release lock leave_xenstore read_template forget unlock)],
    insert => [@INSERT],
    eject => [@EJECT],
    swap => [@EJECT, @INSERT],
    set_memory_target => [qw(lock grant_memory write_memory unlock)],
    rename => [qw(lock write_name unlock)],
    retrieve => [qw(lock read_template merge_devices merge_knobs unlock)],
    destroy => [qw(lock close_devices release_devices leave_devices remove_template kill_domain unlock)],
);

# What is undone when a step fails: if the first step of a row has been done, the others are. A step that fails there
# ends its row; one that is refused is passed over.
my @UNLOCK = ([qw(lock unlock)]);
my %CLEAN_UP = (
    create => [[qw(make_domain close_devices release_devices leave_devices remove_template kill_domain)], @UNLOCK],
    set_memory_target => [[qw(grant_memory grant_what_xenstore_says)], @UNLOCK],
);

# The steps that can fail for a reason outside: the disk is full, a commit meets another, a script or a hypercall fails.
my %FALLIBLE = map { $_ => 1 } qw(make_domain write_whole_template enter_devices allocate_devices write_template
    enter_xenstore allocate mark_closing release leave_xenstore forget load_medium unload_medium write_template_empty
    grant_memory write_memory write_name close_devices release_devices leave_devices remove_template kill_domain);

# Wrong orders, for --bug: each diverges from the design, some only where two processes meet or one of them dies.
my %BUGS = (
    'xenstore-first' => sub { # the device is in xenstore before the template has it
        $STEPS{attach} = [qw(lock read_template refuse_if_present enter_xenstore write_template unlock allocate)];
    },
    'unlock-early' => sub { # the lock covers the template alone: by the time of the commit, somebody may have come
        $STEPS{attach} = [qw(lock read_template refuse_if_present write_template unlock enter_xenstore allocate)];
    },
    'stale-template' => sub { # the template is read before the lock is had: what others wrote since is lost
        $STEPS{attach} = [qw(read_template lock refuse_if_present write_template enter_xenstore unlock allocate)];
    },
    'keeps-the-lock' => sub { # who fails does not unlock
        @UNLOCK = ();
    },
    'no-medium-check' => sub { # a full drive is loaded; retrieve still says what the template does
        $STEPS{insert} = [grep { $_ ne 'refuse_unless_empty' } @INSERT];
    },
    'retrieve-lies' => sub { # the template is returned as it is, whatever xenstore says
        $STEPS{retrieve} = [qw(lock read_template merge_knobs unlock)];
    },
);

# What stands in the stores; the processes by their numbers, each with its operation; what was saved.
my ($slots, $host, %process, %saved);

sub every { my ($value) = @_; return [($value) x $slots] }

sub reset_host {
    $host = { alive => 0, paused => 0, template => undef, xenstore => every($ABSENT), closing => every(0),
              resources => every(0), holder => undef, lock_file => 0 };
    %process = ();
}

sub refused { die { refused => $_[0] } } # this step is not possible; nothing was done

sub alive { refused('there is no domain') if !$host->{alive} }

sub configuration { my ($c) = @_; return "@{ $c->{slots} } $c->{name} $c->{memory}" }

sub save_copy { my ($me) = @_; $host->{template} = dclone($me->{copy}); return }

# The steps: each looks at the host, or changes it, at once. What it returns is what the process learns by it, as text,
# and that is told: whoever learnt the same goes on in the same way.

my %DO = (
    lock => sub {
        my ($me) = @_;
        die { blocked => 1 } if defined $host->{holder};
        $host->{holder} = $me->{number};
        $host->{lock_file} = 1;
        return;
    },
    unlock => sub {
        my ($me) = @_;
        refused('not held') if ($host->{holder} // -1) != $me->{number};
        $host->{holder} = undef;
        $host->{lock_file} = 0;
        return;
    },
    read_template => sub {
        my ($me) = @_;
        refused('there is none') if !$host->{template};
        $me->{copy} = dclone($host->{template});
        return configuration($me->{copy});
    },
    refuse_if_present => sub {
        my ($me) = @_;
        refused('the slot is taken') if $host->{xenstore}[$me->{slot}] ne $ABSENT;
        return 'free';
    },
    refuse_unless_empty => sub {
        my ($me) = @_;
        refused('there is no empty drive') if $host->{xenstore}[$me->{slot}] ne $EMPTY;
        return $EMPTY;
    },
    write_template => sub { my ($me) = @_; $me->{copy}{slots}[$me->{slot}] = $me->{config}; save_copy($me) },
    write_template_empty => sub { my ($me) = @_; $me->{copy}{slots}[$me->{slot}] = $EMPTY; save_copy($me) },
    forget => sub { my ($me) = @_; $me->{copy}{slots}[$me->{slot}] = $ABSENT; save_copy($me) },
    enter_xenstore => sub {
        my ($me) = @_;
        refused('the slot is taken') if $host->{xenstore}[$me->{slot}] ne $ABSENT;
        $host->{xenstore}[$me->{slot}] = $me->{config};
        return;
    },
    load_medium => sub {
        my ($me) = @_;
        refused('the drive is not empty') if $host->{xenstore}[$me->{slot}] ne $EMPTY && !bug('no-medium-check');
        $host->{xenstore}[$me->{slot}] = $me->{config};
        return;
    },
    unload_medium => sub {
        my ($me) = @_;
        refused('there is no drive') if $host->{xenstore}[$me->{slot}] eq $ABSENT;
        $host->{xenstore}[$me->{slot}] = $EMPTY;
        return;
    },
    allocate => sub {
        my ($me) = @_;
        my $k = $me->{slot};
        refused('no such device') if $host->{xenstore}[$k] eq $ABSENT || $host->{closing}[$k];
        $host->{resources}[$k] = 1;
        return;
    },
    mark_closing => sub {
        my ($me) = @_;
        refused('no such device') if $host->{xenstore}[$me->{slot}] eq $ABSENT;
        $host->{closing}[$me->{slot}] = 1;
        return;
    },
    release => sub {
        my ($me) = @_;
        refused('not closing') if !$host->{closing}[$me->{slot}];
        $host->{resources}[$me->{slot}] = 0;
        return;
    },
    leave_xenstore => sub {
        my ($me) = @_;
        my $k = $me->{slot};
        refused('not closed') if !$host->{closing}[$k] || $host->{resources}[$k];
        ($host->{xenstore}[$k], $host->{closing}[$k]) = ($ABSENT, 0);
        return;
    },
    write_name => sub { my ($me) = @_; alive(); $host->{name} = $me->{name}; return },
    grant_memory => sub { my ($me) = @_; alive(); $host->{granted} = $me->{memory}; return },
    write_memory => sub { my ($me) = @_; alive(); $host->{memory} = $me->{memory}; return },
    grant_what_xenstore_says => sub { alive(); $host->{granted} = $host->{memory}; return },
    merge_devices => sub { # the template, as far as xenstore says that it is there
        my ($me) = @_;
        my $merged = $me->{copy}{slots};
        for my $k (0 .. $slots - 1) {
            my $there = $host->{xenstore}[$k];
            if ($there eq $ABSENT || $there eq $EMPTY) { $merged->[$k] = $there }
            elsif ($merged->[$k] eq $ABSENT) { $merged->[$k] = $MADE_UP }
        }
        return "@$merged";
    },
    merge_knobs => sub {
        my ($me) = @_;
        alive();
        @{ $me->{copy} }{qw(name memory)} = @$host{qw(name memory)};
        return configuration($me->{copy});
    },
    make_domain => sub {
        my ($me) = @_;
        refused('there is one') if $host->{alive};
        @$host{qw(alive paused xenstore closing)} = (1, 1, every($ABSENT), every(0));
        @$host{qw(name memory granted)} = @{ $me->{copy} }{qw(name memory memory)};
        return;
    },
    write_whole_template => sub { my ($me) = @_; alive(); save_copy($me) },
    enter_devices => sub {
        my ($me) = @_;
        @$host{qw(xenstore closing)} = (dclone($me->{copy}{slots}), every(0));
        return;
    },
    allocate_devices => sub {
        for my $k (0 .. $slots - 1) {
            $host->{resources}[$k] = 1 if $host->{xenstore}[$k] ne $ABSENT && !$host->{closing}[$k];
        }
        return;
    },
    unpause => sub { alive(); $host->{paused} = 0; return },
    close_devices => sub {
        alive();
        @$host{qw(paused closing)} = (1, [map { $_ ne $ABSENT ? 1 : 0 } @{ $host->{xenstore} }]);
        return;
    },
    release_devices => sub {
        for my $k (0 .. $slots - 1) { $host->{resources}[$k] = 0 if $host->{closing}[$k] }
        return;
    },
    leave_devices => sub { @$host{qw(xenstore closing)} = (every($ABSENT), every(0)); return },
    remove_template => sub { $host->{template} = undef; return },
    kill_domain => sub { $host->{alive} = 0; $host->{paused} = 0; delete @$host{qw(name memory granted)}; return },
);

# A process gets its operation. `todo` holds rows of steps: at first one, the operation; once it has failed, its clean-up.
sub start {
    my ($r) = @_;
    die "process $r->{process} has an operation\n" if $process{ $r->{process} };
    $process{ $r->{process} } = {
        number => $r->{process}, operation => $r->{operation}, copy => $r->{configuration},
        (map { $_ => $r->{$_} } qw(slot config name memory)),
        todo => [[@{ $STEPS{ $r->{operation} } }]], done => {}, error => 0, will_fail => 0,
    };
    return {};
}

# One step. `blocked`: it waits for the lock, and nothing was done.
sub step {
    my ($me) = @_;
    my $name = $me->{todo}[0][0];
    my $fails = delete $me->{will_fail};
    my $learnt = eval { die { failed => 'made to fail' } if $fails; $DO{$name}->($me) };
    my $wrong = $@;
    die $wrong if $wrong && !ref $wrong;
    return { blocked => JSON::PP::true } if $wrong && $wrong->{blocked};
    if (!$wrong) {
        $me->{done}{$name} = 1;
        shift @{ $me->{todo}[0] };
    }
    elsif (!$me->{error}) { # the operation gives up: what is left to do is its clean-up
        $me->{error} = 1;
        my @rows = grep { $me->{done}{ $_->[0] } } @{ $CLEAN_UP{ $me->{operation} } || \@UNLOCK };
        $me->{todo} = [map { my ($of, @undo) = @$_; [@undo] } @rows];
    }
    elsif ($wrong->{refused}) { shift @{ $me->{todo}[0] } }
    else { shift @{ $me->{todo} } }
    skip_what_is_nothing($me);
    my $ended = @{ $me->{todo} } ? undef : $me->{error} ? 'error' : 'done';
    my %answer = (asked => $name, ended => $ended);
    my $said = $wrong ? $wrong->{refused} || $wrong->{failed} : $learnt;
    $answer{answered} = $said if defined $said;
    $answer{answer} = $me->{copy} if ($ended // '') eq 'done' && $me->{operation} eq 'retrieve';
    delete $process{ $me->{number} } if $ended;
    return \%answer;
}

# No step is spent on finding that a row is empty, or that a lock to be given up is not held.
sub skip_what_is_nothing {
    my ($me) = @_;
    my $held = ($host->{holder} // -1) == $me->{number};
    shift @{ $me->{todo} } while @{ $me->{todo} }
        && (!@{ $me->{todo}[0] } || ($me->{error} && $me->{todo}[0][0] eq 'unlock' && !$held));
}

my ($bug, @can) = ('', 'fail', 'snapshots');
sub bug { return $bug eq $_[0] }

sub process_of {
    return $process{ $_[0]{process} } || die "process $_[0]{process} has no operation\n";
}

sub bool { return $_[0] ? JSON::PP::true : JSON::PP::false }

# The protocol: a sub for each request. What it dies of is answered as an error.
my %REQUESTS = (
    hello => sub { # always the first: how many of everything there will be
        my ($r) = @_;
        die "this is protocol 1, not $r->{protocol}\n" if $r->{protocol} != 1;
        $slots = $r->{slots} + $r->{ejectable}; # the drives come last
        reset_host();
        return { protocol => 1, name => 'toolstack.pl', can => \@can };
    },
    reset => sub { reset_host(); return {} },
    start => \&start,
    step => sub { my ($r) = @_; return step(process_of($r)) },
    fail => sub { # its next step is to fail, if it is one that can
        my ($r) = @_;
        my $me = process_of($r);
        $me->{will_fail} = $FALLIBLE{ $me->{todo}[0][0] };
        return { will => bool($me->{will_fail}) };
    },
    crash => sub { # it is gone, and the lock that it held with it; the lock's file stays
        my ($r) = @_;
        delete $process{ $r->{process} };
        $host->{holder} = undef if ($host->{holder} // -1) == $r->{process};
        return {};
    },
    stores => sub { # null is: not known. What holds nothing is told as absent, false, or null
        my $t = $host->{template};
        return {
            (map { $_ => bool($host->{$_}) } qw(alive paused lock_file)),
            (map { $_ => $host->{$_} } qw(xenstore name memory granted)),
            (map { $_ => [map { bool($_) } @{ $host->{$_} }] } qw(closing resources)),
            saved => bool($t), locked => bool(defined $host->{holder}),
            template => $t ? $t->{slots} : every($ABSENT),
            template_name => $t && $t->{name}, template_memory => $t && $t->{memory},
        };
    },
    save => sub { my ($r) = @_; $saved{ $r->{as} } = dclone([$host, \%process]); return {} },
    restore => sub {
        my ($r) = @_;
        my $kept = $saved{ $r->{as} } || die "nothing was saved as $r->{as}\n";
        my ($then, $processes) = @{ dclone($kept) };
        ($host, %process) = ($then, %$processes);
        return {};
    },
);

for (@ARGV) {
    if (/^--bug=(.+)$/ && $BUGS{$1}) { $bug = $1; $BUGS{$1}->() }
    elsif (/^--no-(fail|snapshots)$/) { my $without = $1; @can = grep { $_ ne $without } @can }
    else { die "$_: the options are --no-fail, --no-snapshots and --bug= " . join(', ', sort keys %BUGS) . "\n" }
}

$| = 1; # an answer that stays in a buffer is one that the other side waits for
while (my $line = <STDIN>) {
    my $answer = eval {
        my $r = $json->decode($line);
        my $do = $REQUESTS{ $r->{do} } || die "no such request: $r->{do}\n";
        $do->($r);
    };
    if (my $wrong = $@) {
        chomp $wrong;
        $answer = { error => $wrong };
    }
    print $json->encode($answer), "\n";
}
