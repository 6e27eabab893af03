// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The recorder's kernel side. One generic program at the return of every call, driven by argument plans that user space
 * fills in from the table of calls; beside it exec, fork, exit (where calls that never return show) and control groups.
 *
 * Records go into one ring of segments per CPU, in an array map that user space maps into its memory: no helper, no lock
 * and no wake-up on the way. Programs run with preemption off (see HOOK), so a CPU has one writer; `busy` catches
 * what interrupts it all the same. What is written is the kernel's own object wherever it has one (file, socket, task); what
 * the caller passed is kept beside it as a claim.
 *
 * What repeats is written once: a CPU says whose records follow when the task changes, and tells an open file in full
 * when it first meets it. Both are remembered per CPU, and a ring keeps its order, so what is referred to comes before.
 */
#include "kernel.h"
#include "contract.h"

/* ENOSYS: what the kernel's entry puts where the result of a call will be. */
#define NOT_A_CALL 38

/* Stands where the instant does since when a thread waits. */
#define UNTIMED 1

char LICENSE[] SEC("license") = "Dual MIT/GPL";

volatile const __u32 self_tgid = 0;
volatile const __u32 scope_mode = 0;
volatile const __u32 scope_unknown = 1;
/* A controller of version 1 whose hierarchy tells of containers, and that hierarchy's number; 0 for the default one. */
volatile const __u32 group_controller = 0;
volatile const __u32 group_hierarchy = 0;
volatile const __u32 segments = 1;
/* Segments of each ring that only what never yields may use. */
volatile const __u32 reserve = 0;
volatile const __u32 snaplen = 256;

struct segment {
    char bytes[SEGMENT_BYTES];
};
struct {
    __uint(type, MAP_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, MAP_MMAPABLE);
    __type(key, __u32);
    __type(value, struct segment);
} ring SEC(".maps");
struct {
    __uint(type, MAP_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, MAP_MMAPABLE);
    __type(key, __u32);
    __type(value, struct cpu_state);
} cpus SEC(".maps");
/* What user space tells each CPU. Written by user space only. */
struct {
    __uint(type, MAP_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, MAP_MMAPABLE);
    __type(key, __u32);
    __type(value, struct cpu_control);
} control SEC(".maps");
/* Open files that each CPU has told in full. */
struct {
    __uint(type, MAP_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct told_file);
} told SEC(".maps");
/* Stamps by the hash of an open file's address: one grows when a file is opened there, so that no CPU takes it for an earlier one. */
struct {
    __uint(type, MAP_ARRAY);
    __uint(max_entries, OPENED);
    __type(key, __u32);
    __type(value, __u64);
} opened SEC(".maps");
struct {
    __uint(type, MAP_ARRAY);
    __uint(max_entries, 4 * PLAN_STRIDE);
    __type(key, __u32);
    __type(value, struct plan);
} plans SEC(".maps");
/* What an argument holds that another one decides, and for which of its values: choice << 32 | value. */
struct {
    __uint(type, MAP_ARRAY);
    __uint(max_entries, CHOICES_MAX);
    __type(key, __u32);
    __type(value, struct choice_head);
} choices SEC(".maps");
struct {
    __uint(type, MAP_HASH);
    __uint(max_entries, CASES_MAX);
    __uint(map_flags, MAP_NO_PREALLOC);
    __type(key, __u64);
    __type(value, __u32);
} cases SEC(".maps");
/* Control group id to 1 (keep) or 0 (spare); a missing one is `scope_unknown`. */
struct {
    __uint(type, MAP_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, MAP_NO_PREALLOC);
    __type(key, __u64);
    __type(value, __u32);
} cgroup_scope SEC(".maps");
/* Thread-group ids of a recorded tree. */
struct {
    __uint(type, MAP_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, MAP_NO_PREALLOC);
    __type(key, __u32);
    __type(value, __u32);
} pid_scope SEC(".maps");
struct {
    __uint(type, MAP_RINGBUF);
    __uint(max_entries, 1 << 21);
} side SEC(".maps");
/* Which capabilities a program of a process had, and which it lacked, when the kernel asked: of the last that were asked. */
struct asked {
    __u64 start_ns;
    __u32 tgid, exec_id;
};
struct answers {
    __u64 had[2];
};
struct {
    __uint(type, MAP_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, struct asked);
    __type(value, struct answers);
} asked_capabilities SEC(".maps");
/* Since when the call of a thread waits, by thread id. */
struct {
    __uint(type, MAP_HASH);
    __uint(max_entries, WAITING_MAX);
    __type(key, __u32);
    __type(value, struct wait_begun);
} waiting SEC(".maps");
/* Whether every program is there twice. */
volatile const __u32 twice = 0;
/* A run of the first of two programs: which, whose, and what it was handed. What interrupts a run is handed something else. */
struct run {
    __u32 number;
    __u32 tid;
    __u64 handed;
};
/* The runs of first programs whose second has not come yet: it comes right behind, and takes it away. */
struct {
    __uint(type, MAP_LRU_HASH);
    __uint(max_entries, RUNS_MAX);
    __type(key, struct run);
    __type(value, __u8);
} runs SEC(".maps");
/* How often the second of the two has run in the place of the first, by program. */
struct {
    __uint(type, MAP_ARRAY);
    __uint(max_entries, PROGRAMS);
    __type(key, __u32);
    __type(value, __u64);
} instead SEC(".maps");

/* Threads have numbers; of those that have none, the idle ones, each CPU has one. */
inline_always struct run run_of(__u32 number, __u64 *ctx)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct run run = {.number = number, .tid = tid ? tid : ~bpf_get_smp_processor_id()};
    bpf_probe_read_kernel(&run.handed, sizeof(run.handed), &ctx[0]);
    return run;
}

/* Whether the first of two programs is to work; what it could not note the second does. */
inline_always int is_first_run(int has_second, __u32 number, __u64 *ctx)
{
    if (!has_second)
        return 1;
    struct run run = run_of(number, ctx);
    __u8 one = 1;
    return !bpf_map_update_elem(&runs, &run, &one, 0);
}

/* Whether the first of two programs was not run for this. */
inline_always int was_not_run(__u32 number, __u64 *ctx)
{
    struct run run = run_of(number, ctx);
    if (bpf_map_lookup_elem(&runs, &run)) {
        bpf_map_delete_elem(&runs, &run);
        return 0;
    }
    __u64 *count = bpf_map_lookup_elem(&instead, &number);
    if (count)
        __sync_fetch_and_add(count, 1);
    return 1;
}

/* Where a part may still start, given its largest size. */
#define ROOM(off, bytes) ((off) <= RECORD_MAX - sizeof(struct part_head) - (bytes))
#define PADDED(n) (((n) + 7) & ~7u)

/* A record's front and its arguments. A call's record ends behind as many as its plan counts. */
struct record_head {
    struct record_front;
    __u64 args[6];
};

/* One record being written. */
struct writer {
    struct cpu_state *cpu;
    char *rec;
    __u64 segment;
    __u32 pos;
};

/* The task that runs: a typed pointer where the kernel has one to give, else a number. */
inline_always struct task_struct *current_task(void)
{
    return HELPER_EXISTS(get_current_task_btf) ? bpf_get_current_task_btf() : bpf_get_current_task();
}

/*
 * Pointers are followed by the helper, also where they have types: for each step along a typed one the verifier looks for names
 * among all types of the kernel, which takes it longer than the rest of a program. Only what runs at every call is read in place.
 */
inline_always __u64 start_of(struct task_struct *task)
{
    struct task_struct *leader = READ(task, group_leader);
    return READ(leader, start_boottime);
}

inline_always __u64 id_of(struct cgroup *group)
{
    struct kernfs_node *node = READ(group, kn);
    return READ(node, id);
}

/* A task's control group in the hierarchy that is followed. */
inline_always struct cgroup *cgroup_of(struct task_struct *task)
{
    struct css_set *set = READ(task, cgroups);
    if (!group_controller)
        return READ(set, dfl_cgrp);
    __u64 at = group_controller == GROUP_PIDS      ? CONTROLLER(pids)
               : group_controller == GROUP_MEMORY  ? CONTROLLER(memory)
               : group_controller == GROUP_CPU     ? CONTROLLER(cpu)
               : group_controller == GROUP_DEVICES ? CONTROLLER(devices)
                                                   : CONTROLLER(freezer);
    struct cgroup_subsys_state *state = 0;
    bpf_probe_read_kernel(&state, sizeof(state), (void *)set + FIELD_OFFSET(struct css_set, subsys) + at * sizeof(state));
    return READ(state, cgroup);
}

inline_always __u64 cgroup_id(struct task_struct *task)
{
    return id_of(cgroup_of(task));
}

/* Stands for a task's control group for as long as it is in it. */
inline_always __u64 group_of(struct task_struct *task)
{
    if (group_controller)
        return (__u64)cgroup_of(task);
    if (HELPER_EXISTS(get_current_task_btf))
        return (__u64)task->cgroups->dfl_cgrp;
    struct css_set *set = READ(task, cgroups);
    return (__u64)READ(set, dfl_cgrp);
}

/* The registers a task came into the kernel with. */
inline_always struct pt_regs *registers_of(struct task_struct *task)
{
    return HELPER_EXISTS(task_pt_regs) ? (void *)bpf_task_pt_regs(task)
                                       : (void *)(READ(task, stack) + STACK_BYTES - TYPE_SIZE(struct pt_regs));
}

inline_always int tgid_in_scope(__u32 tgid, __u64 cgroup)
{
    if (scope_mode == SCOPE_HOST)
        return 1;
    if (scope_mode == SCOPE_TREE)
        return bpf_map_lookup_elem(&pid_scope, &tgid) != 0;
    __u32 *verdict = bpf_map_lookup_elem(&cgroup_scope, &cgroup);
    return verdict ? *verdict : scope_unknown;
}

inline_always int in_scope(struct task_struct *task, __u64 cgroup)
{
    return tgid_in_scope(OF(task, tgid), cgroup);
}

/*
 * Of a tree, whoever a parent in it has begun is in it. A fork that the kernel ran no program for left its child out: the child
 * is taken in when it becomes another program, or begins somebody itself.
 */
inline_always int adopt(struct task_struct *task)
{
    __u32 tgid = OF(task, tgid), one = 1;
    if (bpf_map_lookup_elem(&pid_scope, &tgid))
        return 1;
    struct task_struct *parent = READ(task, real_parent);
    __u32 up = READ(parent, tgid);
    if (!bpf_map_lookup_elem(&pid_scope, &up))
        return 0;
    bpf_map_update_elem(&pid_scope, &tgid, &one, 0);
    return 1;
}

/* Writes a record that is no event: what comes behind it on this CPU is to be read by it. Returns where the next one goes. */
inline_always char *front_of(char *at, __u8 kind, __u32 body)
{
    struct record_front *f = (void *)at;
    f->len = sizeof(*f) + body;
    f->kind = kind;
    f->abi = 0;
    f->marks = 0;
    f->argc = 0;
    return at + sizeof(*f);
}
#define CONTEXT_BYTES (sizeof(struct record_front) + sizeof(struct task_context))
#define LOSS_BYTES (sizeof(struct record_front) + sizeof(struct loss_counts))
/* Where a record may still start in a segment: what precedes it must fit too. */
#define START_MAX (SEGMENT_BYTES - RECORD_MAX - CONTEXT_BYTES - LOSS_BYTES)

/*
 * Keeps clang from folding a bounds check into an earlier one the verifier has forgotten; and, behind a check, from
 * spilling what was not checked yet: before Linux 5.17 a check does not reach the copy on the stack.
 */
#define OPAQUE(x) asm volatile("" : "+r"(x))

/*
 * What has just been stored, read back: the verifier takes it for anything, so that it need not follow what comes next once for
 * every value it may have.
 */
#define FORGET(field) (*(volatile __typeof__(field) *)&(field))

/*
 * Functions that the verifier checks once, apart from their callers (global functions, Linux 5.6): they take numbers and
 * find the record by themselves, which keeps loading fast and every caller small.
 */
#define checked_once __attribute__((noinline))

/* The verifier does not let a typed pointer pass as a number; a copy through the stack is one. */
inline_always __u64 number_of(struct task_struct *task)
{
    __u64 number = 0;
    bpf_probe_read_kernel(&number, sizeof(number), &task);
    return number;
}

/* Stands where a group does whose records are not all that were lost. */
#define SEVERAL 1

/* Notes which group a loss of a task is of: that of all losses since the last record, or that they are of several. */
checked_once int note_loss(__u64 address)
{
    struct task_struct *task = (void *)address;
    __u32 cpu = bpf_get_smp_processor_id();
    struct cpu_state *c = bpf_map_lookup_elem(&cpus, &cpu);
    if (!c)
        return 0;
    struct cgroup *at = cgroup_of(task);
    if (!c->losses) {
        c->lost_group = (__u64)at;
        c->lost_of = id_of(at);
    } else if (c->lost_group != (__u64)at) {
        c->lost_group = SEVERAL;
        c->lost_of = 0;
    }
    return 0;
}

/*
 * A record that is not kept: it has a number, and is counted by its class; and whose it was is told where all were of one group,
 * the address of which is `group` where the caller has it, else 0.
 */
inline_always void lose(struct cpu_state *c, struct task_struct *task, __u64 group, __u32 class, int full)
{
    if (!c->losses || c->lost_group != group)
        note_loss(number_of(task));
    c->seq++;
    c->told = 0;
    c->losses = 1;
    class &= CLASSES - 1;
    if (full) {
        c->dropped++;
        c->lost[class]++;
    } else {
        c->counted++;
        c->yielded[class]++;
    }
}

/* BPF_RB_NO_WAKEUP: user space looks by itself. BPF_RB_FORCE_WAKEUP: it is woken now. */
enum { NO_WAKEUP = 1, FORCE_WAKEUP = 2 };

inline_always __u32 is_asleep(struct cpu_control *ctl)
{
    return *(volatile __u32 *)&ctl->asleep;
}

/* Wakes user space, which waits at what comes beside the rings: nothing comes, and it looks. Without room there something is there. */
inline_always void wake(void)
{
    void *nothing = bpf_ringbuf_reserve(&side, 8, 0);
    if (nothing)
        bpf_ringbuf_discard(nothing, FORCE_WAKEUP);
}

/*
 * Reserves room for a record of `task`; writes before it who the task is, when this CPU's last record was another's, and
 * what was lost. Returns 0 when there is no room: then the record is counted.
 */
inline_always struct record_head *room(struct writer *w, struct cpu_state *c, struct cpu_control *ctl, __u32 cpu,
                                       struct task_struct *task, __u64 group, __u32 class, int critical)
{
    if (c->busy) {
        c->nested++;
        return 0;
    }
    __u64 segment = c->head >> 32;
    __u32 pos = (__u32)c->head;
    if (pos >= START_MAX) {
        segment++;
        pos = 0;
    }
    /* What yields leaves the last segments to what never does, also when that has begun to use them. */
    if (segment - *(volatile __u64 *)&ctl->tail >= (critical ? segments : segments - reserve)) {
        lose(c, task, group, class, 1);
        return 0;
    }
    /* What never yields should not wait, and neither should a ring that fills up; at rest nothing should. */
    __u32 asleep = is_asleep(ctl);
    if (asleep != AWAKE && (critical || !pos || asleep == AT_REST))
        wake();
    if (!pos)
        c->told = 0;
    __u32 at = cpu * segments + (segment & (segments - 1));
    struct segment *s = bpf_map_lookup_elem(&ring, &at);
    OPAQUE(pos);
    if (!s || pos >= START_MAX)
        return 0;
    OPAQUE(pos);
    c->busy = 1;
    char *rec = s->bytes + pos;
    if (!c->told) {
        struct task_context *x = (void *)front_of(rec, CONTEXT, sizeof(*x));
        x->pid = OF(task, tgid);
        x->tid = OF(task, pid);
        x->start_ns = start_of(task);
        x->cgroup = cgroup_id(task);
        x->exec_id = (__u32)OF(task, self_exec_id);
        x->pad = 0;
        rec += CONTEXT_BYTES;
        pos += CONTEXT_BYTES;
        if (c->losses) {
            struct loss_counts *l = (void *)front_of(rec, LOSS, sizeof(*l));
            for (int i = 0; i < CLASSES; i++) {
                l->full[i] = c->lost[i];
                l->counted[i] = c->yielded[i];
                c->lost[i] = c->yielded[i] = 0;
            }
            l->of = c->lost_of;
            c->losses = 0;
            rec += LOSS_BYTES;
            pos += LOSS_BYTES;
        }
        c->told = 1;
    }
    c->slot = at;
    c->pos = pos;
    pos = FORGET(c->pos);
    if (pos >= SEGMENT_BYTES - RECORD_MAX) {
        c->busy = 0;
        return 0;
    }
    OPAQUE(pos);
    w->cpu = c;
    w->segment = segment;
    w->pos = pos;
    w->rec = s->bytes + pos;
    struct record_head *h = (void *)w->rec;
    h->marks = 0;
    h->seq = (__u32)c->seq;
    h->time_ns = bpf_ktime_get_boot_ns();
    return h;
}

/* A record that is no call's return, of any task. Returns 0 when there is no room. */
inline_always struct record_head *begin(struct writer *w, struct task_struct *task, __u64 cgroup, __u8 kind)
{
    __u32 cpu = bpf_get_smp_processor_id();
    struct cpu_state *c = bpf_map_lookup_elem(&cpus, &cpu);
    struct cpu_control *ctl = bpf_map_lookup_elem(&control, &cpu);
    if (!c || !ctl)
        return 0;
    c->told = 0;
    struct record_head *h = room(w, c, ctl, cpu, task, 0, CLASS_PROCESS, 1);
    if (!h)
        return 0;
    /* Whatever this CPU records next says whose it is. */
    c->task = 0;
    c->told = 0;
    c->off = sizeof(*h);
    c->snaplen = snaplen;
    h->kind = kind;
    h->abi = 0;
    h->argc = 6;
    h->nr = 0;
    h->result = 0;
    return h;
}

/* What a record that is no call has to say; a ring is used again, so the rest is cleared. */
inline_always void say(struct record_head *h, __u64 first, __u64 second, __u64 third)
{
    h->args[0] = first;
    h->args[1] = second;
    h->args[2] = third;
    h->args[3] = 0;
    h->args[4] = 0;
    h->args[5] = 0;
}

inline_always void commit(struct writer *w)
{
    struct cpu_state *c = w->cpu;
    struct record_head *h = (void *)w->rec;
    __u32 len = (__u32)c->off;
    h->len = len;
    c->seq++;
    __u64 head = (w->segment << 32) | (w->pos + len);
    asm volatile("" ::: "memory");
    *(volatile __u64 *)&c->head = head;
    c->busy = 0;
}

inline_always __u64 offset(struct cpu_state *c)
{
    __u64 off = c->off & (RECORD_MAX - 1);
    OPAQUE(off);
    return off;
}

/* The record this CPU is writing. */
inline_always char *current_record(struct cpu_state **cpu)
{
    __u32 at = bpf_get_smp_processor_id();
    struct cpu_state *c = bpf_map_lookup_elem(&cpus, &at);
    if (!c)
        return 0;
    at = c->slot;
    struct segment *s = bpf_map_lookup_elem(&ring, &at);
    __u32 pos = c->pos;
    OPAQUE(pos);
    if (!s || pos >= SEGMENT_BYTES - RECORD_MAX)
        return 0;
    *cpu = c;
    return s->bytes + pos;
}

#define CURRENT_OR(c, rec, otherwise)                                                                                  \
    struct cpu_state *c;                                                                                               \
    char *rec = current_record(&c);                                                                                    \
    if (!rec)                                                                                                          \
    return otherwise
#define CURRENT(c, rec) CURRENT_OR(c, rec, 0)

inline_always void cut(char *rec)
{
    ((struct record_head *)rec)->marks |= MARK_CUT;
}

inline_always void head_of(char *at, __u16 tag, __u16 slot, __u32 len, __u32 full_len, __u32 extra)
{
    struct part_head *p = (void *)at;
    p->tag = tag;
    p->slot = slot;
    p->len = len;
    p->full_len = full_len;
    p->extra = extra;
}

/* A NUL-terminated string in user memory. */
checked_once int put_string(__u32 slot, __u64 address)
{
    CURRENT(c, rec);
    __u64 off = offset(c);
    if (!ROOM(off, PATH_BYTES)) {
        cut(rec);
        return 0;
    }
    OPAQUE(off);
    char *at = rec + off;
    long n = bpf_probe_read_user_str(at + sizeof(struct part_head), PATH_BYTES, (void *)address);
    if (n < 0) {
        head_of(at, PART_ARG, slot, 0, ~0u, 0);
        c->off = off + sizeof(struct part_head);
        return 0;
    }
    __u32 len = n > 0 ? n - 1 : 0;
    /* The helper cannot say how long the string was: a full buffer is marked as cut by one byte more. */
    head_of(at, PART_ARG, slot, len, n == PATH_BYTES ? len + 1 : len, 0);
    c->off = off + sizeof(struct part_head) + PADDED(len & 0x1fff);
    return 0;
}

#define PAYLOAD (1u << 31)

/* Bytes in user memory, `full` of them. What is payload is kept up to the snaplen. */
checked_once int put_bytes(__u32 tag_slot, __u64 address, __u64 full)
{
    CURRENT(c, rec);
    __u64 off = offset(c);
    __u32 most = tag_slot & PAYLOAD ? c->snaplen : PATH_BYTES;
    __u32 keep = full > most ? most : (__u32)full;
    if (keep > PATH_BYTES)
        keep = PATH_BYTES;
    OPAQUE(keep);
    tag_slot &= ~PAYLOAD;
    if (!ROOM(off, PATH_BYTES)) {
        cut(rec);
        return 0;
    }
    OPAQUE(off);
    char *at = rec + off;
    __u32 clamped = full > 0xfffffffe ? 0xfffffffe : (__u32)full;
    if (keep && bpf_probe_read_user(at + sizeof(struct part_head), keep, (void *)address) < 0) {
        head_of(at, tag_slot >> 16, tag_slot & 0xffff, 0, ~0u, 0);
        c->off = off + sizeof(struct part_head);
        return 0;
    }
    head_of(at, tag_slot >> 16, tag_slot & 0xffff, keep, clamped, 0);
    c->off = off + sizeof(struct part_head) + PADDED(keep & 0x1fff);
    return 0;
}

/* The start of the arguments or environment of a new program; gives the number of bytes kept. */
checked_once int put_area(__u32 tag, __u64 address, __u64 full)
{
    CURRENT(c, rec);
    __u64 off = offset(c);
    __u32 keep = full > ARGV_BYTES ? ARGV_BYTES : (__u32)full;
    if (!ROOM(off, ARGV_BYTES)) {
        if (keep > 1024)
            keep = 1024;
        if (!ROOM(off, 1024)) {
            cut(rec);
            return 0;
        }
        char *at = rec + off;
        if (bpf_probe_read_user(at + sizeof(struct part_head), keep & 0x7ff, (void *)address) < 0)
            keep = 0;
        head_of(at, tag, 0, keep, (__u32)full, 0);
        c->off = off + sizeof(struct part_head) + PADDED(keep & 0x7ff);
        return keep;
    }
    OPAQUE(off);
    char *at = rec + off;
    if (bpf_probe_read_user(at + sizeof(struct part_head), keep, (void *)address) < 0)
        keep = 0;
    head_of(at, tag, 0, keep, (__u32)full, 0);
    c->off = off + sizeof(struct part_head) + PADDED(keep & 0x3fff);
    return keep;
}

/* Text in kernel memory. */
checked_once int put_text(__u32 tag, __u64 address)
{
    CURRENT(c, rec);
    __u64 off = offset(c);
    if (!ROOM(off, PATH_BYTES)) {
        cut(rec);
        return 0;
    }
    OPAQUE(off);
    char *at = rec + off;
    long n = bpf_probe_read_kernel_str(at + sizeof(struct part_head), PATH_BYTES, (void *)address);
    __u32 len = n > 0 ? n - 1 : 0;
    head_of(at, tag, 0, len, len, 0);
    c->off = off + sizeof(struct part_head) + PADDED(len & 0x1fff);
    return 0;
}

/* Most steps of a path: names and mount points. */
#define WALK_MAX 72
/* Where a dentry's own place for a short name is: behind the inode (include/linux/dcache.h, 5.10 to 6.18). */
#define SHORT_NAME (FIELD_OFFSET(struct dentry, d_inode) + sizeof(void *))
/* Whether what a step carries lies together: parent, name, inode, short name. */
#define TOGETHER                                                                                                       \
    (FIELD_OFFSET(struct dentry, d_name.len) == FIELD_OFFSET(struct dentry, d_parent) + 12 &&                            \
     FIELD_OFFSET(struct dentry, d_name.name) == FIELD_OFFSET(struct dentry, d_parent) + 16 &&                           \
     FIELD_OFFSET(struct dentry, d_inode) == FIELD_OFFSET(struct dentry, d_parent) + 24)

/* A step of a path as it stands in the kernel's memory; `outside` replaces the address of the name. */
struct step {
    struct dentry *parent;
    __u32 hash, len;
    __u64 outside;
    void *inode;
    char name[40];
};

/*
 * The path of a dentry by the kernel's own tree, leaf first. One read fetches a step; a name too long for the dentry
 * itself follows it.
 */
checked_once int put_path(__u32 slot, __u64 vfsmount, __u64 leaf)
{
    CURRENT(c, rec);
    __u64 start = offset(c);
    if (start > RECORD_MAX - PATH_BYTES - 1024) {
        cut(rec);
        return 0;
    }
    struct dentry *dentry = (void *)leaf;
    __u32 marks = 0;
    struct mount *mount = (void *)vfsmount - FIELD_OFFSET(struct mount, mnt);
    struct dentry *root = READ(mount, mnt.mnt_root);
    c->off = start + sizeof(struct part_head);
    __u32 ended = 0;
    for (int i = 0; i < WALK_MAX; i++) {
        if (dentry == root) {
            struct mount *up = READ(mount, mnt_parent);
            if (up == mount) {
                ended = PATH_WHOLE;
                break;
            }
            dentry = READ(mount, mnt_mountpoint);
            mount = up;
            root = READ(mount, mnt.mnt_root);
            continue;
        }
        __u64 off = offset(c);
        if (off > start + PATH_BYTES || off > RECORD_MAX - 512)
            break;
        struct step *step = (void *)(rec + off);
        if (TOGETHER) {
            bpf_probe_read_kernel(step, sizeof(*step), (char *)dentry + FIELD_OFFSET(struct dentry, d_parent));
        } else {
            step->parent = READ(dentry, d_parent);
            step->len = READ(dentry, d_name.len);
            step->outside = (__u64)READ(dentry, d_name.name);
        }
        struct dentry *parent = step->parent;
        if (parent == dentry && i > 0) {
            ended = PATH_PSEUDO;
            break;
        }
        if (i == 0 && parent != dentry && !READ(dentry, d_hash.pprev))
            marks = PATH_UNLINKED;
        __u64 next = off + sizeof(*step);
        if (TOGETHER && step->outside == (__u64)dentry + SHORT_NAME) {
            step->outside = 0;
        } else {
            __u32 len = step->len & 0xff;
            void *name = (void *)step->outside;
            step->outside = 1;
            if (next <= RECORD_MAX - 256)
                bpf_probe_read_kernel(rec + next, len, name);
            next += PADDED(len);
        }
        c->off = next;
        if (parent == dentry) {
            ended = PATH_PSEUDO;
            break;
        }
        dentry = parent;
    }
    marks |= ended ? ended : PATH_CUT;
    __u64 end = offset(c);
    OPAQUE(start);
    if (start > RECORD_MAX - 512)
        return 0;
    head_of(rec + start, PART_PATH, slot, end - start - sizeof(struct part_head), end - start - sizeof(struct part_head), marks);
    c->off = PADDED(end);
    return 0;
}

/* Bytes of a socket name that are kept: a power of two less one. */
#define UNIX_NAME 0x7f

/* The name that a unix socket is bound to, without its family; returns how much of it there is, 0 when there is none. */
inline_always __u32 unix_name(char *to, struct sock *sk)
{
    struct unix_address *addr = READ((struct unix_sock *)sk, addr);
    int len = addr ? READ(addr, len) : 0;
    if (len <= 2)
        return 0;
    __u32 keep = (__u32)(len - 2) & UNIX_NAME;
    bpf_probe_read_kernel(to, keep, (char *)addr + FIELD_OFFSET(struct unix_address, name) + 2);
    return keep;
}

checked_once int put_unix(__u32 slot, __u64 socket, __u32 peer)
{
    CURRENT(c, rec);
    __u64 off = offset(c);
    if (!ROOM(off, 256))
        return 0;
    OPAQUE(off);
    char *at = rec + off;
    __u32 keep = unix_name(at + sizeof(struct part_head), (void *)socket);
    if (!keep)
        return 0;
    head_of(at, PART_UNIX, slot, keep, keep, peer);
    c->off = off + sizeof(struct part_head) + PADDED(keep);
    return 1;
}

inline_always __u32 pid_number(struct pid *pid, int innermost, struct pid_namespace **ns)
{
    if (!pid)
        return 0;
    __u32 level = innermost ? READ(pid, level) & 31 : 0;
    struct upid *upid = (void *)pid + FIELD_OFFSET(struct pid, numbers) + level * TYPE_SIZE(struct upid);
    if (ns)
        *ns = READ(upid, ns);
    return READ(upid, nr);
}

/* Ports, network namespace and addresses. Of sockets that wait for their end only the first part is there. */
inline_always void put_ends(struct socket_part *s, struct sock *sk, __u16 family, int whole)
{
    __u16 local_port = READ(sk, __sk_common.skc_num);
    /* A connection that was reset has given its port back, but still says which it was. */
    if (!local_port && whole && (family == 2 || family == 10))
        local_port = __builtin_bswap16(READ((struct inet_sock *)sk, inet_sport));
    s->local_port = local_port;
    s->remote_port = __builtin_bswap16(READ(sk, __sk_common.skc_dport));
    struct net *net = READ(sk, __sk_common.skc_net.net);
    s->netns = READ(net, ns.inum);
    if (family == 10) {
        READ_INTO(&s->local, sk, __sk_common.skc_v6_rcv_saddr);
        READ_INTO(&s->remote, sk, __sk_common.skc_v6_daddr);
        return;
    }
    __builtin_memset(s->local, 0, 16);
    __builtin_memset(s->remote, 0, 16);
    if (family == 2) {
        *(__u32 *)s->local = READ(sk, __sk_common.skc_rcv_saddr);
        *(__u32 *)s->remote = READ(sk, __sk_common.skc_daddr);
    }
}

/* What a socket that somebody has open is. */
inline_always void describe_socket(struct socket_part *s, struct socket *socket, struct sock *sk)
{
    __u16 family = READ(sk, __sk_common.skc_family);
    s->family = family;
    s->type_ = READ(socket, type);
    s->protocol = READ(sk, sk_protocol);
    s->state = READ(sk, __sk_common.skc_state);
    s->peer_pid = 0;
    s->peer_uid = 0;
    if (family == AF_UNIX) {
        struct pid *peer = READ(sk, sk_peer_pid);
        if (peer) {
            struct cred *cred = READ(sk, sk_peer_cred);
            s->peer_pid = pid_number(peer, 0, 0);
            s->peer_uid = READ(cred, euid.val);
        }
    }
    put_ends(s, sk, family, 1);
    if (family == AF_VSOCK && FIELD_EXISTS(struct vsock_sock, local_addr)) {
        struct vsock_sock *vsk = (void *)sk;
        *(__u32 *)s->local = READ(vsk, local_addr.svm_cid);
        *(__u32 *)(s->local + 4) = READ(vsk, local_addr.svm_port);
        *(__u32 *)s->remote = READ(vsk, remote_addr.svm_cid);
        *(__u32 *)(s->remote + 4) = READ(vsk, remote_addr.svm_port);
    }
}

/* Returns 1 when the socket's ends will not change without a call that names them. */
checked_once int put_socket(__u32 slot, __u64 address)
{
    CURRENT(c, rec);
    struct socket *socket = (void *)address;
    __u64 off = offset(c);
    if (!ROOM(off, sizeof(struct socket_part)))
        return 0;
    OPAQUE(off);
    struct sock *sk = READ(socket, sk);
    if (!sk)
        return 0;
    char *at = rec + off;
    struct socket_part *s = (void *)(at + sizeof(struct part_head));
    head_of(at, PART_SOCKET, slot, sizeof(*s), sizeof(*s), 0);
    describe_socket(s, socket, sk);
    c->off = off + sizeof(struct part_head) + sizeof(*s);
    __u16 family = s->family;
    if (family == AF_UNIX && TYPE_EXISTS(struct unix_sock)) {
        if (!put_unix(slot, (__u64)sk, 0)) {
            struct sock *other = READ((struct unix_sock *)sk, peer);
            if (other)
                put_unix(slot, (__u64)other, 1);
        }
    }
    return (family != 2 && family != 10) || (s->local_port && s->remote_port);
}

/*
 * One read for fields that lie close together, instead of one for each: the bytes from `from` on, as far as they are
 * looked at. Where a kernel has them further apart, each is read by itself.
 */
#define BLOCK 96
#define BLOCK_READ(block, src, type, from)                                                                             \
    bpf_probe_read_kernel(block, BLOCK, (char *)(src) + FIELD_OFFSET(type, from))
#define IN_BLOCK(block, src, type, from, field)                                                                        \
    ({                                                                                                                 \
        __typeof__(((type *)0)->field) value_ = 0;                                                                     \
        __u32 at_ = FIELD_OFFSET(type, field) - FIELD_OFFSET(type, from);                                              \
        if (at_ <= BLOCK - sizeof(value_))                                                                             \
            __builtin_memcpy(&value_, (block) + at_, sizeof(value_));                                                  \
        else                                                                                                           \
            READ_INTO(&value_, (type *)(src), field);                                                                  \
        value_;                                                                                                        \
    })

/*
 * The kernel's file: its identity, its path, both ends when it is a socket. `place` is 1 + where this CPU remembers it.
 * Returns 1 when it may be remembered.
 */
checked_once int put_file(__u32 slot, __u64 address, __u32 place)
{
    CURRENT(c, rec);
    struct file *file = (void *)address;
    __u64 off = offset(c);
    if (!ROOM(off, sizeof(struct file_part))) {
        cut(rec);
        return 0;
    }
    OPAQUE(off);
    struct inode *inode = READ(file, f_inode);
    char *block = (char *)c->scratch;
    BLOCK_READ(block, inode, struct inode, i_mode);
    struct super_block *sb = IN_BLOCK(block, inode, struct inode, i_mode, i_sb);
    char *at = rec + off;
    struct file_part *f = (void *)(at + sizeof(struct part_head));
    head_of(at, PART_FILE, slot, sizeof(*f), sizeof(*f), place);
    __u32 mode = IN_BLOCK(block, inode, struct inode, i_mode, i_mode);
    __u32 magic = (__u32)READ(sb, s_magic);
    f->file = (__u64)file;
    f->ino = IN_BLOCK(block, inode, struct inode, i_mode, i_ino);
    f->dev = READ(sb, s_dev);
    f->rdev = IN_BLOCK(block, inode, struct inode, i_mode, i_rdev);
    f->mode = mode;
    f->flags = READ(file, f_flags);
    f->magic = magic;
    f->layer = 0;
    if (magic == OVERLAYFS_MAGIC) {
        /* struct ovl_inode holds the dentry of the upper layer right behind its struct inode. */
        void *upper = 0;
        bpf_probe_read_kernel(&upper, sizeof(upper), (char *)inode + TYPE_SIZE(struct inode));
        f->layer = upper ? 1 : 2;
    }
    c->off = off + sizeof(struct part_head) + sizeof(*f);
    if ((mode & S_IFMT) == S_IFSOCK)
        return put_socket(slot, (__u64)READ(file, private_data));
    put_path(slot, (__u64)READ(file, f_path.mnt), (__u64)READ(file, f_path.dentry));
    return 1;
}

inline_always struct file *file_of(struct task_struct *task, __u64 fd)
{
    struct files_struct *files = OF(task, files);
    if (!files)
        return 0;
    struct fdtable *fdt = OF(files, fdt);
    if (fd >= OF(fdt, max_fds))
        return 0;
    struct file **table = OF(fdt, fd);
    struct file *file = 0;
    bpf_probe_read_kernel(&file, sizeof(file), table + fd);
    return file;
}

/* An open file as this CPU may have told it. */
struct seen {
    struct told_file *told;
    __u64 *stamp;
    __u64 dentry, inode;
    __u32 place;
};

/* Looks an open file up among those this CPU has told. Returns whether it is there. */
inline_always int is_told(struct seen *s, struct file *file, struct cpu_state *c, __u32 cpu)
{
    __u64 hash = (__u64)file * 0x9e3779b97f4a7c15;
    s->place = (hash >> 32) & (TOLD - 1);
    __u32 at = cpu * TOLD + s->place;
    __u32 stamp_at = (hash >> 48) & (OPENED - 1);
    s->told = bpf_map_lookup_elem(&told, &at);
    s->stamp = bpf_map_lookup_elem(&opened, &stamp_at);
    if (!s->told || !s->stamp)
        return 0;
    char *block = (char *)c->scratch;
    if (FIELD_OFFSET(struct file, f_path.dentry) < FIELD_OFFSET(struct file, f_inode)) {
        BLOCK_READ(block, file, struct file, f_path.dentry);
        s->dentry = (__u64)IN_BLOCK(block, file, struct file, f_path.dentry, f_path.dentry);
        s->inode = (__u64)IN_BLOCK(block, file, struct file, f_path.dentry, f_inode);
    } else {
        BLOCK_READ(block, file, struct file, f_inode);
        s->dentry = (__u64)IN_BLOCK(block, file, struct file, f_inode, f_path.dentry);
        s->inode = (__u64)IN_BLOCK(block, file, struct file, f_inode, f_inode);
    }
    struct told_file *t = s->told;
    if (t->file != (__u64)file || t->dentry != s->dentry || t->inode != s->inode || t->stamp != *s->stamp)
        return 0;
    /* Files with a path of their own are opened by calls, which leave a stamp. */
    struct inode *inode = (void *)s->inode;
    return !t->ino || t->ino == READ(inode, i_ino);
}

/*
 * The file behind a descriptor: in full when this CPU has not told it yet, or `fresh` says that the call opened it or
 * changed what it is; else where it was told.
 */
checked_once int put_fd(__u32 slot, __u64 fd, __u32 fresh)
{
    CURRENT(c, rec);
    struct file *file = file_of(current_task(), fd);
    if (!file)
        return 0;
    struct seen s = {};
    int known = is_told(&s, file, c, bpf_get_smp_processor_id());
    struct told_file *t = s.told;
    if (!t || !s.stamp)
        return 0;
    if (fresh) {
        (*s.stamp)++;
    } else if (known) {
        __u64 off = offset(c);
        if (ROOM(off, 0)) {
            OPAQUE(off);
            head_of(rec + off, PART_TOLD, slot, 0, 0, s.place);
            c->off = off + sizeof(struct part_head);
        }
        return 0;
    }
    t->file = 0;
    int remember = put_file(slot, (__u64)file, s.place + 1);
    struct record_head *h = (void *)rec;
    if (remember && !(h->marks & MARK_CUT)) {
        t->file = (__u64)file;
        t->dentry = s.dentry;
        t->inode = s.inode;
        t->stamp = *s.stamp;
        struct inode *inode = (void *)s.inode;
        __u32 format = READ(inode, i_mode) & S_IFMT;
        t->ino = format == S_IFREG || format == S_IFDIR || format == S_IFCHR ? 0 : READ(inode, i_ino);
    }
    return 0;
}

/* How many connections wait at a listening socket, and how many may; of unix sockets the kernel does not count them so. */
checked_once int put_backlog(__u32 slot)
{
    CURRENT(c, rec);
    struct record_head *h = (void *)rec;
    struct file *file = file_of(current_task(), (__u32)h->args[0]);
    if (!file)
        return 0;
    struct inode *inode = READ(file, f_inode);
    if ((READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
        return 0;
    struct socket *socket = READ(file, private_data);
    struct sock *sk = READ(socket, sk);
    __u16 family = READ(sk, __sk_common.skc_family);
    if (family != 2 && family != 10)
        return 0;
    __u64 off = offset(c);
    if (!ROOM(off, 8)) {
        cut(rec);
        return 0;
    }
    OPAQUE(off);
    char *at = rec + off;
    __u32 *queue = (void *)(at + sizeof(struct part_head));
    head_of(at, PART_ARG, slot, 8, 8, 0);
    queue[0] = READ(sk, sk_ack_backlog);
    queue[1] = READ(sk, sk_max_ack_backlog);
    c->off = off + sizeof(struct part_head) + 8;
    return 0;
}

/* Each may be left out of a kernel. */
inline_always void put_more_namespaces(struct task_part *t, struct nsproxy *nsproxy)
{
    t->ns_uts = 0;
    t->ns_ipc = 0;
    t->ns_cgroup = 0;
    t->ns_time = 0;
    t->pad = 0;
    if (FIELD_EXISTS(struct uts_namespace, ns)) {
        struct uts_namespace *uts = READ(nsproxy, uts_ns);
        t->ns_uts = READ(uts, ns.inum);
    }
    if (FIELD_EXISTS(struct ipc_namespace, ns)) {
        struct ipc_namespace *ipc = READ(nsproxy, ipc_ns);
        t->ns_ipc = READ(ipc, ns.inum);
    }
    if (FIELD_EXISTS(struct cgroup_namespace, ns)) {
        struct cgroup_namespace *group = READ(nsproxy, cgroup_ns);
        t->ns_cgroup = READ(group, ns.inum);
    }
    if (FIELD_EXISTS(struct time_namespace, ns)) {
        struct time_namespace *time = READ(nsproxy, time_ns);
        t->ns_time = READ(time, ns.inum);
    }
}

inline_always __u64 capabilities(kernel_cap_t *set)
{
    __u64 bits = 0;
    bpf_probe_read_kernel(&bits, sizeof(bits), set);
    return bits;
}

checked_once int put_task(__u64 address)
{
    CURRENT(c, rec);
    struct task_struct *task = (void *)address;
    __u64 off = offset(c);
    if (!ROOM(off, sizeof(struct task_part)) || !task)
        return 0;
    OPAQUE(off);
    char *at = rec + off;
    struct task_part *t = (void *)(at + sizeof(struct part_head));
    head_of(at, PART_TASK, 0, sizeof(*t), sizeof(*t), 0);
    struct task_struct *leader = READ(task, group_leader);
    struct task_struct *parent = READ(leader, real_parent);
    struct task_struct *parent_leader = READ(parent, group_leader);
    t->parent_start_ns = READ(parent_leader, start_boottime);
    t->ppid = READ(parent, tgid);
    struct pid_namespace *ns = 0;
    t->vpid = pid_number(READ(leader, thread_pid), 1, &ns);
    t->ns_pid = READ(ns, ns.inum);
    struct signal_struct *signal = READ(task, signal);
    t->pgid = pid_number(READ(signal, pids[2]), 0, 0);
    t->sid = pid_number(READ(signal, pids[3]), 0, 0);
    struct tty_struct *tty = READ(signal, tty);
    t->tty = 0;
    if (tty) {
        struct tty_driver *driver = READ(tty, driver);
        t->tty = ((__u32)READ(driver, major) << 20) | (__u32)(READ(driver, minor_start) + READ(tty, index));
    }
    struct cred *cred = READ(task, cred);
    t->uid = READ(cred, uid.val);
    t->gid = READ(cred, gid.val);
    t->euid = READ(cred, euid.val);
    t->egid = READ(cred, egid.val);
    t->cap_effective = capabilities(&cred->cap_effective);
    t->cap_permitted = capabilities(&cred->cap_permitted);
    t->cap_inheritable = capabilities(&cred->cap_inheritable);
    struct user_namespace *user = READ(cred, user_ns);
    t->ns_user = READ(user, ns.inum);
    t->loginuid = FIELD_EXISTS(struct task_struct, loginuid) ? READ(task, loginuid.val) : ~0u;
    struct nsproxy *nsproxy = READ(task, nsproxy);
    struct mnt_namespace *mnt = READ(nsproxy, mnt_ns);
    struct net *net = READ(nsproxy, net_ns);
    t->ns_mnt = READ(mnt, ns.inum);
    t->ns_net = READ(net, ns.inum);
    t->cap_bounding = capabilities(&cred->cap_bset);
    t->cap_ambient = capabilities(&cred->cap_ambient);
    t->securebits = READ(cred, securebits);
    put_more_namespaces(t, nsproxy);
    READ_INTO(&t->comm, task, comm);
    c->off = off + sizeof(struct part_head) + sizeof(*t);
    return 0;
}

inline_always void put_cwd(struct task_struct *task)
{
    struct fs_struct *fs = READ(task, fs);
    if (fs)
        put_path(SLOT_CWD, (__u64)READ(fs, pwd.mnt), (__u64)READ(fs, pwd.dentry));
}

/* Structures in user memory, or whatever else is kept whatever the snap length: `full` is how many bytes there are. */
checked_once int put_struct(__u32 tag_slot, __u64 address, __u64 full)
{
    CURRENT(c, rec);
    __u64 off = offset(c);
    __u32 keep = full > STRUCT_BYTES ? STRUCT_BYTES : (__u32)full;
    if (!ROOM(off, STRUCT_BYTES)) {
        cut(rec);
        return 0;
    }
    char *at = rec + off;
    __u32 clamped = full > 0xfffffffe ? 0xfffffffe : (__u32)full;
    if (keep && bpf_probe_read_user(at + sizeof(struct part_head), keep, (void *)address) < 0) {
        head_of(at, tag_slot >> 16, tag_slot & 0xffff, 0, ~0u, 0);
        c->off = off + sizeof(struct part_head);
        return 0;
    }
    head_of(at, tag_slot >> 16, tag_slot & 0xffff, keep, clamped, 0);
    c->off = off + sizeof(struct part_head) + PADDED(keep & 0x3ff);
    return 0;
}

/* Buffers of a vector that are looked at. */
#define IOVECS 16
/* Messages of a call that takes several. */
#define MESSAGES 16
/* In the slot given to the readers below: the caller is a 32-bit one; the part before is this message's address. */
#define COMPAT 0x100
#define NAMED 0x200

/* The entry of a vector at an address: keeps up to `left` bytes of its buffer, and gives how many; -1 when it cannot be read. */
checked_once __s64 put_entry(__u64 address, __u32 compat, __u64 left)
{
    struct user_iovec v = {};
    if (compat) {
        struct user_iovec32 narrow = {};
        if (bpf_probe_read_user(&narrow, sizeof(narrow), (void *)address) < 0)
            return -1;
        v.base = narrow.base;
        v.len = narrow.len;
    } else if (bpf_probe_read_user(&v, sizeof(v), (void *)address) < 0) {
        return -1;
    }
    CURRENT_OR(c, rec, -1);
    __u32 n = v.len > left ? (__u32)left : (__u32)v.len;
    __u64 off = offset(c);
    OPAQUE(n);
    if (off > RECORD_MAX - PATH_BYTES || n > PATH_BYTES)
        return -1;
    if (bpf_probe_read_user(rec + off, n, (void *)v.base) < 0)
        return -1;
    c->off = off + n;
    return n;
}

/* The head of what a vector of buffers holds. `where` is the slot, with marks, and the tag in the upper half. */
checked_once int put_vector(__u32 where, __u64 address, __u32 count, __u64 total)
{
    CURRENT(c, rec);
    __u64 start = offset(c);
    if (!ROOM(start, PATH_BYTES + 8)) {
        cut(rec);
        return 0;
    }
    OPAQUE(start);
    __u32 most = c->snaplen;
    __u64 want = total > most ? most : total, kept = 0;
    if (want > PATH_BYTES)
        want = PATH_BYTES;
    __u32 compat = where & COMPAT, step = compat ? sizeof(struct user_iovec32) : sizeof(struct user_iovec);
    c->off = start + sizeof(struct part_head);
    for (__u32 i = 0; i < IOVECS; i++) {
        if (i >= count || kept >= want)
            break;
        __s64 n = put_entry(address + i * step, compat, want - kept);
        if (n < 0)
            break;
        kept += n;
    }
    OPAQUE(start);
    if (start > RECORD_MAX - 512)
        return 0;
    head_of(rec + start, where >> 16, where & 0xff, (__u32)kept, (__u32)total, where & NAMED ? 1 : 0);
    c->off = PADDED(offset(c));
    return 0;
}

inline_always int message_at(struct user_msghdr *m, __u64 address, __u32 compat)
{
    if (!compat)
        return bpf_probe_read_user(m, sizeof(*m), (void *)address) >= 0;
    struct user_msghdr32 narrow = {};
    if (bpf_probe_read_user(&narrow, sizeof(narrow), (void *)address) < 0)
        return 0;
    m->name = narrow.name;
    m->namelen = narrow.namelen;
    m->iov = narrow.iov;
    m->iovlen = narrow.iovlen;
    m->control = narrow.control;
    m->controllen = narrow.controllen;
    return 1;
}

/* Address, control messages and payload of one message; no payload when the call failed. */
checked_once int put_message(__u32 where, __u64 address, __s64 result)
{
    struct user_msghdr m = {};
    __u32 slot = where & 0xff;
    if (!message_at(&m, address, where & COMPAT))
        return 0;
    if (m.name && m.namelen)
        put_struct((PART_ADDR << 16) | slot, m.name, m.namelen > 128 ? 128 : m.namelen);
    if (m.control && m.controllen)
        put_struct((PART_CONTROL << 16) | slot, m.control, m.controllen);
    if (result >= 0)
        put_vector((PART_ARG << 16) | where, m.iov, (__u32)m.iovlen, result);
    return 0;
}

/* Address and payload of the first of several messages. */
checked_once int put_messages(__u32 where, __u64 address, __u32 count)
{
    __u32 slot = where & 0xff, compat = where & COMPAT;
    /* struct mmsghdr: a msghdr of 56 (28) bytes, its length, padding. */
    __u32 step = compat ? 32 : 64, length = compat ? 28 : 56;
    for (__u32 i = 0; i < MESSAGES; i++) {
        if (i >= count)
            break;
        struct user_msghdr m = {};
        __u32 sent = 0, named = 0;
        __u64 at = address + i * step;
        if (!message_at(&m, at, compat) || bpf_probe_read_user(&sent, sizeof(sent), (void *)(at + length)) < 0)
            break;
        if (m.name && m.namelen) {
            put_struct((PART_MESSAGE_NAME << 16) | slot, m.name, m.namelen > 128 ? 128 : m.namelen);
            named = NAMED;
        }
        put_vector((PART_MESSAGE << 16) | named | where, m.iov, (__u32)m.iovlen, sent);
    }
    return 0;
}

/* Follows a choice: kind of what the argument holds, the argument that counts it << 8, size << 16; 0 for nothing to read. */
checked_once __u32 chosen(__u32 choice)
{
    CURRENT(c, rec);
    struct record_head *h = (void *)rec;
    __u32 reading = 0;
    for (int i = 0; i < 2; i++) {
        struct choice_head *head = bpf_map_lookup_elem(&choices, &choice);
        if (!head)
            return 0;
        __u64 selector = head->selector;
        OPAQUE(selector);
        if (selector > 5)
            return 0;
        __u64 key = ((__u64)choice << 32) | ((__u32)h->args[selector] & head->mask);
        __u32 *found = bpf_map_lookup_elem(&cases, &key);
        reading = found ? *found : head->otherwise;
        if ((reading & 0xff) != KIND_CHOICE)
            break;
        choice = reading >> 16;
    }
    return reading;
}

/* What argument i points at: kind, the argument that counts it << 8, size or choice << 16. */
checked_once int put_arg(__u32 reading, __u32 i, __u32 marks)
{
    CURRENT(c, rec);
    struct record_head *h = (void *)rec;
    if (i > 5)
        return 0;
    __u32 kind = reading & 0xff;
    if (kind == KIND_CHOICE) {
        reading = chosen(reading >> 16);
        kind = reading & 0xff;
    }
    __u64 by = reading >> 8 & 0xff;
    __u32 size = reading >> 16;
    __u64 value = h->args[i];
    OPAQUE(by);
    __u64 next = by < 6 ? h->args[by] : 0;
    __s64 result = (__s64)h->result;
    int compat = h->abi == 1;
    __u32 tag_slot = (PART_ARG << 16) | i;
    __u32 where = i | (compat ? COMPAT : 0);
    if (compat) {
        value = (__u32)value;
        next = (__u32)next;
    }
    switch (kind) {
    case KIND_FD:
    case KIND_DIRFD:
        if ((__s32)value >= 0)
            put_fd(i, (__u32)value, !!(marks & PLAN_NAMES_SOCKET));
        break;
    case KIND_PATH:
    case KIND_STR:
        if (value)
            put_string(i, value);
        break;
    case KIND_BUF_IN:
        put_bytes(tag_slot | PAYLOAD, value, result >= 0 ? (__u64)result : next);
        break;
    case KIND_STRUCT_IN:
        if (!value)
            break;
        if (size)
            put_struct(tag_slot, value, next);
        else
            put_bytes(tag_slot, value, next);
        break;
    case KIND_STRUCT_OUT:
        if (!value || result < 0)
            break;
        /* What a call says it wrote is less than what it had room for. */
        if (result > 0 && (__u64)result < next)
            next = result;
        put_struct(tag_slot, value, next > size ? size : next);
        break;
    case KIND_STRUCT_OUT_LEN: {
        __u32 len = 0;
        if (result >= 0 && value && next && bpf_probe_read_user(&len, sizeof(len), (void *)next) == 0 && len)
            put_struct(tag_slot, value, len);
        break;
    }
    case KIND_GIVEN:
        if (value)
            put_struct(tag_slot, value, size);
        break;
    case KIND_FILLED:
        if (value && result >= 0)
            put_struct(tag_slot, value, size);
        break;
    case KIND_FILLED_ABOVE:
        if (value && result > 0)
            put_struct(tag_slot, value, size);
        break;
    case KIND_FILLED_REST:
        /* EINTR, or ERESTART_RESTARTBLOCK of include/linux/errno.h. */
        if (value && (result == -4 || result == -516))
            put_struct(tag_slot, value, size);
        break;
    case KIND_GIVEN_ARRAY:
        if (value && next)
            put_struct(tag_slot, value, (__u64)(__u32)next * size);
        break;
    case KIND_FILLED_ARRAY:
        /* Where there is a count and it is 0, the call only asked how many there are. */
        if (value && result > 0 && (by > 5 || next))
            put_struct(tag_slot, value, (__u64)(__u32)result * size);
        break;
    case KIND_BIT_SET: {
        /* The kernel reads and writes whole words of the caller. */
        __u32 bits = (__u32)next, word = compat ? 4 : 8;
        if (value && bits && bits < 0x10000)
            put_struct(tag_slot, value, (bits + word * 8 - 1) / (word * 8) * word);
        break;
    }
    case KIND_BUF_OUT:
        if (result > 0)
            put_bytes(tag_slot | PAYLOAD, value, result);
        break;
    case KIND_SOCKADDR_IN:
        if (value && next)
            put_struct(tag_slot, value, (__u32)next > 128 ? 128 : (__u32)next);
        break;
    case KIND_SOCKADDR_OUT: {
        __u32 len = 0;
        if (result < 0 || !value || !next)
            break;
        if (bpf_probe_read_user(&len, sizeof(len), (void *)next) == 0 && len)
            put_struct(tag_slot, value, len > 128 ? 128 : len);
        break;
    }
    case KIND_FD_PAIR:
        if (result == 0)
            put_struct(tag_slot, value, 8);
        break;
    case KIND_TIMESPEC:
        if (value)
            put_struct(tag_slot, value, compat ? 8 : 16);
        break;
    case KIND_IOVEC_IN:
    case KIND_IOVEC_OUT:
        if (result > 0)
            put_vector((PART_ARG << 16) | where, value, (__u32)next, result);
        break;
    case KIND_MSG_IN:
        put_message(where, value, result);
        break;
    case KIND_MSG_OUT:
        if (result >= 0)
            put_message(where, value, result);
        break;
    case KIND_MSG_VEC_IN:
    case KIND_MSG_VEC_OUT:
        if (result > 0)
            put_messages(where, value, (__u32)result);
        break;
    case KIND_ARGV: {
        /* Only a failed exec comes here: the caller's memory is still there. The first pointers are enough. */
        __u64 first = 0;
        if (result < 0 && value && bpf_probe_read_user(&first, compat ? 4 : 8, (void *)value) == 0 && first)
            put_string(i, first);
        break;
    }
    default:
        break;
    }
    return 0;
}

/* Those arguments of a call that point at something: bit n of `reads` is argument n. */
checked_once int put_args(__u32 at, __u32 reads)
{
    struct plan *plan = bpf_map_lookup_elem(&plans, &at);
    if (!plan)
        return 0;
    for (__u32 i = 0; i < 6; i++) {
        if (!(reads & (1 << i)))
            continue;
        /* By itself: the frames below put_arg leave no room for more in it (5.10 adds them up to 512 bytes). */
        if ((plan->readings[i] & 0xff) == KIND_BACKLOG)
            put_backlog(i);
        else
            put_arg(plan->readings[i], i, plan->marks);
    }
    return 0;
}

/* How long the call has taken from where it first gave up the CPU. */
inline_always void put_latency(struct writer *w, __u64 latency_ns)
{
    __u64 off = w->cpu->off;
    if (off > RECORD_MAX - sizeof(struct part_head)) {
        cut(w->rec);
        return;
    }
    OPAQUE(off);
    head_of(w->rec + off, PART_LATENCY, 0, 0, (__u32)latency_ns, latency_ns >> 32);
    w->cpu->off = off + sizeof(struct part_head);
}

/* Since when the call of a thread has waited, on whichever CPU that was told; 0 when it has not. */
inline_always __u64 waiting_since(struct task_struct *task)
{
    __u32 tid = OF(task, pid);
    struct wait_begun *begun = tid ? bpf_map_lookup_elem(&waiting, &tid) : 0;
    return begun && begun->task_start == OF(task, start_boottime) ? begun->since_ns : 0;
}

/*
 * This task runs on this CPU. Not every switch is told (6.18 leaves out some, of its own tracer too): who runs without having been
 * announced has its stamp looked up, and is never given the stamp of the one before.
 */
inline_always void is_running(struct cpu_state *c, struct task_struct *task)
{
    if (!c->runs || c->runs == (__u64)task)
        return;
    c->runs = (__u64)task;
    c->since = waiting_since(task);
}

/* The call of this task is over: nothing of it waits any more. */
inline_always void waits_no_more(struct cpu_state *c, struct task_struct *task)
{
    if (!c->since)
        return;
    __u32 tid = OF(task, pid);
    c->since = 0;
    bpf_map_delete_elem(&waiting, &tid);
}

/* Bytes of a buffer up to which it is read where the record is begun. */
#define INLINE_BYTES 256

inline_always int returned(struct pt_regs *regs, __s64 result)
{
    struct task_struct *task = current_task();
    __u32 cpu = bpf_get_smp_processor_id();
    struct cpu_state *c = bpf_map_lookup_elem(&cpus, &cpu);
    struct cpu_control *ctl = bpf_map_lookup_elem(&control, &cpu);
    if (!c || !ctl)
        return 0;
    /* A call that has waited is timed: whoever is on a CPU now has its stamp there. */
    is_running(c, task);
    c->waited = c->since == UNTIMED ? 0 : c->since;
    waits_no_more(c, task);
    c->left = result == -NOT_A_CALL ? (__u64)task : 0;
    /* The verdict stands as long as this CPU sees the same task, with the same program, group and scope. */
    __u64 group = group_of(task);
    __u32 exec_id = (__u32)OF(task, self_exec_id);
    if (c->task != (__u64)task || c->task_start != OF(task, start_boottime) || c->group != group || c->exec_id != exec_id ||
        c->generation != ctl->generation) {
        c->task = (__u64)task;
        c->task_start = OF(task, start_boottime);
        c->group = group;
        c->exec_id = exec_id;
        c->generation = ctl->generation;
        c->told = 0;
        c->verdict = OF(task, tgid) == self_tgid ? SPARE_SELF : in_scope(task, cgroup_id(task)) ? KEEP : SPARE_SCOPE;
    }
    __u32 verdict = c->verdict;
    if (verdict != KEEP) {
        c->spared[verdict & 3]++;
        return 0;
    }
    __s64 nr = regs->orig_ax;
    __u32 abi = 0, kind = SYSCALL;
    int compat = OF(task, thread_info.status) & TS_COMPAT;
    /* rt_sigreturn restores the registers and leaves -1 (a call number of -1 fails with ENOSYS); what it restored is no result. */
    if (nr == -1 && result != -NOT_A_CALL) {
        nr = compat ? 173 : 15;
        kind = SYSCALL_ENTER;
        result = 0;
    }
    if (compat) {
        abi = 1;
    } else if (nr != -1 && (nr & X32_BIT)) {
        abi = 3;
        nr &= ~(__s64)X32_BIT;
    }
    c->abi = abi | kind << 8;
    abi = FORGET(c->abi);
    kind = abi >> 8;
    abi &= 3;
    __u32 at = abi * PLAN_STRIDE + ((__u64)nr < PLAN_STRIDE ? (__u32)nr : PLAN_STRIDE - 1);
    struct plan *plan = bpf_map_lookup_elem(&plans, &at);
    if (!plan)
        return 0;
    __u32 marks = plan->marks, class = plan->class, reads = plan->reads, argc = plan->present ? plan->count : 6;
    /* A successful exec has its own event, from the new image. */
    if (result == 0 && (marks & PLAN_EXECS))
        return 0;
    __u32 pressure = ctl->pressure;
    if ((marks & PLAN_BULK) && pressure >= COUNTS) {
        lose(c, task, group, class, 0);
        return 0;
    }
    struct writer w;
    struct record_head *h = room(&w, c, ctl, cpu, task, group, class, marks & PLAN_CRITICAL);
    if (!h)
        return 0;
    h->kind = kind;
    h->abi = abi;
    h->nr = (__u32)nr;
    h->result = result;
    if (abi == 1) {
        h->args[0] = (__u32)regs->bx;
        h->args[1] = (__u32)regs->cx;
        h->args[2] = (__u32)regs->dx;
        h->args[3] = (__u32)regs->si;
        h->args[4] = (__u32)regs->di;
        h->args[5] = (__u32)regs->bp;
    } else {
        h->args[0] = regs->di;
        h->args[1] = regs->si;
        h->args[2] = regs->dx;
        h->args[3] = regs->r10;
        h->args[4] = regs->r8;
        h->args[5] = regs->r9;
    }
    h->argc = argc;
    c->off = sizeof(struct record_front) + argc * 8;
    if (reads) {
        c->snaplen = pressure >= HEADS ? 0 : snaplen;
        /* By far the most calls begin with a descriptor whose file has been told: without a call of a function. */
        if ((reads & 1) && (__u8)plan->readings[0] == KIND_FD && !(marks & PLAN_NAMES_SOCKET)) {
            struct file *file = file_of(task, (__u32)h->args[0]);
            struct seen s = {};
            if (!file) {
                reads &= ~1u;
            } else if (is_told(&s, file, c, cpu)) {
                __u64 off = sizeof(struct record_front) + (argc & 7) * 8;
                head_of(w.rec + off, PART_TOLD, 0, 0, 0, s.place);
                off += sizeof(struct part_head);
                c->off = off;
                reads &= ~1u;
                /* And the next is a buffer, of which nothing or a little is kept. */
                __u8 second = (__u8)plan->readings[1];
                __u64 full = result >= 0 ? (__u64)result : h->args[2];
                if ((reads & 2) && !abi && (second == KIND_BUF_OUT || second == KIND_BUF_IN) && full <= c->snaplen &&
                    full <= INLINE_BYTES) {
                    __u32 keep = (__u32)full & (2 * INLINE_BYTES - 1);
                    char *part = w.rec + off;
                    if (second == KIND_BUF_OUT && result <= 0) {
                        reads &= ~2u;
                    } else if (bpf_probe_read_user(part + sizeof(struct part_head), keep, (void *)h->args[1]) == 0) {
                        head_of(part, PART_ARG, 1, keep, keep, 0);
                        c->off = off + sizeof(struct part_head) + PADDED(keep);
                        reads &= ~2u;
                    }
                }
            }
        }
        if (reads)
            put_args(at, reads);
    }
    if ((marks & PLAN_RETURNS_FD) && result >= 0)
        put_fd(SLOT_RESULT, (__u32)result, 1);
    if ((marks & PLAN_CHANGES_TASK) && result >= 0) {
        put_task(number_of(task));
        put_cwd(task);
    }
    if (c->waited)
        put_latency(&w, h->time_ns - c->waited);
    commit(&w);
    return 0;
}

HOOK_ONCE("tp_btf/sys_exit", on_sys_exit)
{
    return returned((void *)ctx[0], (__s64)ctx[1]);
}

/*
 * The same by way of perf, which lets no other task in until it is through: from Linux 7.0 on the other way does, and the kernel
 * runs no program where it has been left in the middle. It costs more.
 */
struct sys_exit_entry {
    __u64 common;
    __s64 nr, result;
};
SEC("tracepoint/raw_syscalls/sys_exit")
int on_sys_exit_by_perf(struct sys_exit_entry *entry)
{
    returned(registers_of(current_task()), entry->result);
    return 0;
}

/* Does nothing at the return of every call: what any recorder that hangs there costs at the least. Only measured. */
SEC("tp_btf/sys_exit")
int on_nothing(__u64 *ctx)
{
    return 0;
}

/* Time stamps of an inode: their fields were renamed twice. */
checked_once int put_exe(__u64 address)
{
    CURRENT(c, rec);
    struct file *file = (void *)address;
    __u64 off = offset(c);
    if (!ROOM(off, sizeof(struct exe_part)))
        return 0;
    struct inode *inode = READ(file, f_inode);
    char *at = rec + off;
    struct exe_part *e = (void *)(at + sizeof(struct part_head));
    head_of(at, PART_EXE, SLOT_EXE, sizeof(*e), sizeof(*e), 0);
    e->size = READ(inode, i_size);
    e->mtime_ns = 0;
    e->ctime_ns = 0;
    struct inode___old *old = (void *)inode;
    if (FIELD_EXISTS(struct inode, i_mtime_sec))
        e->mtime_ns = READ(inode, i_mtime_sec) * 1000000000ull + READ(inode, i_mtime_nsec);
    else if (FIELD_EXISTS(struct inode___old, __i_mtime))
        e->mtime_ns = READ(old, __i_mtime.tv_sec) * 1000000000ull + READ(old, __i_mtime.tv_nsec);
    else if (FIELD_EXISTS(struct inode___old, i_mtime))
        e->mtime_ns = READ(old, i_mtime.tv_sec) * 1000000000ull + READ(old, i_mtime.tv_nsec);
    if (FIELD_EXISTS(struct inode, i_ctime_sec))
        e->ctime_ns = READ(inode, i_ctime_sec) * 1000000000ull + READ(inode, i_ctime_nsec);
    else if (FIELD_EXISTS(struct inode___old, __i_ctime))
        e->ctime_ns = READ(old, __i_ctime.tv_sec) * 1000000000ull + READ(old, __i_ctime.tv_nsec);
    else if (FIELD_EXISTS(struct inode___old, i_ctime))
        e->ctime_ns = READ(old, i_ctime.tv_sec) * 1000000000ull + READ(old, i_ctime.tv_nsec);
    c->off = off + sizeof(struct part_head) + sizeof(*e);
    return 0;
}

/* Of a process the threads that have ended are in the signal structure, the one that ends now is not yet. */
checked_once int put_usage(__u64 address)
{
    CURRENT(c, rec);
    struct task_struct *task = (void *)address;
    __u64 off = offset(c);
    if (!ROOM(off, sizeof(struct usage_part)) || !task)
        return 0;
    char *at = rec + off;
    struct usage_part *u = (void *)(at + sizeof(struct part_head));
    head_of(at, PART_USAGE, 0, sizeof(*u), sizeof(*u), 0);
    struct signal_struct *signal = READ(task, signal);
    u->threads = READ(signal, live.counter);
    u->utime_ns = READ(task, utime);
    u->stime_ns = READ(task, stime);
    u->minflt = READ(task, min_flt);
    u->majflt = READ(task, maj_flt);
    u->nvcsw = READ(task, nvcsw);
    u->nivcsw = READ(task, nivcsw);
    u->maxrss = 0;
    if (!u->threads) {
        u->utime_ns += READ(signal, utime);
        u->stime_ns += READ(signal, stime);
        u->minflt += READ(signal, min_flt);
        u->majflt += READ(signal, maj_flt);
        u->nvcsw += READ(signal, nvcsw);
        u->nivcsw += READ(signal, nivcsw);
        u->maxrss = READ(signal, maxrss);
    }
    c->off = off + sizeof(struct part_head) + sizeof(*u);
    return 0;
}

/* One piece of the arguments or the environment of the program that this task has just executed, as a record. */
checked_once int put_piece(__u32 tag, __u64 address, __u64 at, __u64 full)
{
    struct task_struct *task = current_task();
    struct writer w;
    struct record_head *h = begin(&w, task, cgroup_id(task), EXEC_MORE);
    if (!h)
        return 0;
    say(h, tag, at, full);
    put_area(tag, address + at, full - at);
    commit(&w);
    return 0;
}

checked_once int put_rest(__u32 tag, __u64 address, __u64 at, __u64 full)
{
    for (__u32 i = 0; i <= WHOLE_BYTES / ARGV_BYTES; i++, at += ARGV_BYTES) {
        if (at >= full || at >= WHOLE_BYTES)
            break;
        put_piece(tag, address, at, full);
    }
    return 0;
}

HOOK("tp_btf/sched_process_exec", on_exec)
{
    struct task_struct *task = (void *)ctx[0];
    struct linux_binprm *bprm = (void *)ctx[2];
    if (task->tgid == self_tgid)
        return 0;
    __u64 cgroup = cgroup_id(task);
    if (!(scope_mode == SCOPE_TREE ? adopt(task) : in_scope(task, cgroup)))
        return 0;
    struct writer w;
    struct record_head *h = begin(&w, task, cgroup, EXEC);
    if (!h)
        return 0;
    h->nr = 59;
    h->abi = task->thread_info.status & TS_COMPAT ? 1 : 0;
    if (h->abi)
        h->nr = 11;
    /* The kernel's own copy of the path: what execveat was given comes as /dev/fd/N or /dev/fd/N/path. */
    say(h, FIELD_EXISTS(struct linux_binprm, fdpath) && READ(bprm, fdpath) ? 1 : 0, 0, 0);
    put_text(PART_CLAIM, (__u64)READ(bprm, filename));
    put_task(number_of(task));
    struct mm_struct *mm = READ(task, mm);
    struct file *exe = READ(bprm, file);
    if (exe) {
        put_file(SLOT_EXE, (__u64)exe, 0);
        put_exe((__u64)exe);
    }
    const char *named = READ(bprm, filename), *interp = READ(bprm, interp);
    if (interp != named)
        put_text(PART_INTERP, (__u64)interp);
    put_cwd(task);
    __u64 args = 0, args_bytes = 0, env = 0, env_bytes = 0;
    __u32 args_kept = 0, env_kept = 0;
    if (mm) {
        args = READ(mm, arg_start), args_bytes = READ(mm, arg_end) - args;
        env = READ(mm, env_start), env_bytes = READ(mm, env_end) - env;
        args_kept = put_area(PART_ARGV, args, args_bytes);
        env_kept = put_area(PART_ENV, env, env_bytes);
    }
    is_running(w.cpu, task);
    if (w.cpu->since > UNTIMED)
        put_latency(&w, h->time_ns - w.cpu->since);
    commit(&w);
    /* What did not fit: each piece is a record, and the first record says how much there is. */
    put_rest(PART_ARGV, args, args_kept, args_bytes);
    put_rest(PART_ENV, env, env_kept, env_bytes);
    return 0;
}

HOOK("tp_btf/sched_process_fork", on_fork)
{
    struct task_struct *parent = (void *)ctx[0];
    struct task_struct *child = (void *)ctx[1];
    if (parent->tgid == self_tgid)
        return 0;
    __u64 cgroup = cgroup_id(child);
    if (scope_mode == SCOPE_TREE) {
        if (!adopt(parent))
            return 0;
        __u32 tgid = child->tgid, one = 1;
        bpf_map_update_elem(&pid_scope, &tgid, &one, 0);
    } else if (!in_scope(child, cgroup)) {
        return 0;
    }
    struct writer w;
    struct record_head *h = begin(&w, child, cgroup, FORK);
    if (!h)
        return 0;
    say(h, parent->pid, parent->tgid, start_of(parent));
    put_task(number_of(child));
    commit(&w);
    return 0;
}

HOOK("tp_btf/sched_process_exit", on_exit)
{
    struct task_struct *task = (void *)ctx[0];
    if (task->tgid == self_tgid)
        return 0;
    __u64 cgroup = cgroup_id(task);
    if (!in_scope(task, cgroup))
        return 0;
    /* Who is killed in a call does not return from it. */
    __u32 cpu = bpf_get_smp_processor_id();
    struct cpu_state *c = bpf_map_lookup_elem(&cpus, &cpu);
    if (c) {
        is_running(c, task);
        waits_no_more(c, task);
    }
    struct writer w;
    struct record_head *h;
    /* A thread that is in a call now and will never return from it: exit or exit_group. Others die in whatever call they were. */
    struct pt_regs *regs = registers_of(task);
    __u32 compat = task->thread_info.status & TS_COMPAT ? 1 : 0;
    __u64 nr = READ(regs, orig_ax);
    __u32 at = compat * PLAN_STRIDE + (nr < PLAN_STRIDE ? (__u32)nr : PLAN_STRIDE - 1);
    struct plan *plan = bpf_map_lookup_elem(&plans, &at);
    if (plan && (plan->marks & PLAN_ENTER) && plan->count) {
        h = begin(&w, task, cgroup, SYSCALL_ENTER);
        if (h) {
            h->abi = compat;
            h->nr = (__u32)nr;
            say(h, compat ? READ(regs, bx) : READ(regs, di), 0, 0);
            commit(&w);
        }
    }
    h = begin(&w, task, cgroup, EXIT);
    if (h) {
        say(h, (__u32)task->exit_code, task->pid == task->tgid, 0);
        put_usage(number_of(task));
        commit(&w);
    }
    if (scope_mode == SCOPE_TREE && task->pid == task->tgid) {
        __u32 tgid = task->tgid;
        bpf_map_delete_elem(&pid_scope, &tgid);
    }
    return 0;
}

/*
 * Control groups are announced whatever the scope: they are how containers come and go. Only those of the
 * hierarchy that is followed: the others repeat the same moves.
 */
inline_always int in_followed_hierarchy(struct cgroup *cgroup)
{
    struct cgroup_root *root = READ(cgroup, root);
    return READ(root, hierarchy_id) == group_hierarchy;
}

inline_always int group_event(struct cgroup *cgroup, const char *path, __u8 kind, struct task_struct *moved)
{
    if (!in_followed_hierarchy(cgroup))
        return 0;
    struct task_struct *task = moved ? moved : current_task();
    struct writer w;
    struct record_head *h = begin(&w, task, cgroup_id(task), kind);
    if (!h)
        return 0;
    say(h, id_of(cgroup), 0, 0);
    put_text(PART_TEXT, (__u64)path);
    put_task(number_of(task));
    commit(&w);
    return 0;
}

HOOK("tp_btf/cgroup_mkdir", on_cgroup_mkdir)
{
    struct cgroup *cgroup = (void *)ctx[0];
    if (in_followed_hierarchy(cgroup)) {
        struct cgroup *parent = (void *)cgroup->self.parent;
        __u64 id = id_of(cgroup), up = parent ? id_of(parent) : 0;
        __u32 *verdict = bpf_map_lookup_elem(&cgroup_scope, &up), one = 1;
        if (verdict && *verdict)
            bpf_map_update_elem(&cgroup_scope, &id, &one, 0);
    }
    return group_event(cgroup, (const char *)ctx[1], CGROUP_MKDIR, 0);
}

HOOK("tp_btf/cgroup_rmdir", on_cgroup_rmdir)
{
    return group_event((void *)ctx[0], (const char *)ctx[1], CGROUP_RMDIR, 0);
}

HOOK("tp_btf/cgroup_attach_task", on_cgroup_attach)
{
    return group_event((void *)ctx[0], (const char *)ctx[1], CGROUP_ATTACH, (void *)ctx[2]);
}

/* From Linux 6.10 the victim is named as a task. */
HOOK("tp_btf/mark_victim", on_oom)
{
    struct task_struct *victim = (void *)ctx[0];
    __u64 cgroup = cgroup_id(victim);
    if (victim->tgid == self_tgid || !in_scope(victim, cgroup))
        return 0;
    struct writer w;
    struct record_head *h = begin(&w, victim, cgroup, OOM);
    if (!h)
        return 0;
    say(h, victim->tgid, 0, 0);
    commit(&w);
    return 0;
}

/*
 * Before Linux 6.10 it is named by the id of its thread, and what runs is whoever asked for memory: whether the victim is
 * in scope is left to user space.
 */
HOOK("tp_btf/mark_victim", on_oom_by_id)
{
    __u32 victim = (__u32)ctx[0];
    if (victim == self_tgid || (scope_mode == SCOPE_TREE && !bpf_map_lookup_elem(&pid_scope, &victim)))
        return 0;
    struct task_struct *task = current_task();
    struct writer w;
    struct record_head *h = begin(&w, task, cgroup_id(task), OOM);
    if (!h)
        return 0;
    say(h, victim, 1, 0);
    commit(&w);
    return 0;
}
#include "sources.bpf.h"
#include "files.bpf.h"
