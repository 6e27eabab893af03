/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * The few kernel structures and helpers the programs need. Only the fields that are read are declared: the loader
 * relocates each access to the running kernel's own layout (BTF, CO-RE), so nothing here depends on a kernel version.
 */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef int __s32;

#define SEC(name) __attribute__((section(name), used))
#define inline_always static inline __attribute__((always_inline))

/* Helpers by number: include/uapi/linux/bpf.h. */
static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static __u32 (*const bpf_get_smp_processor_id)(void) = (void *)8;
static __u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*const bpf_seq_write)(void *seq, const void *data, __u32 len) = (void *)127;
static long (*const bpf_d_path)(void *path, char *buf, __u32 size) = (void *)147;
static long (*const bpf_probe_read_user)(void *dst, __u32 size, const void *src) = (void *)112;
static long (*const bpf_probe_read_kernel)(void *dst, __u32 size, const void *src) = (void *)113;
static long (*const bpf_probe_read_user_str)(void *dst, __u32 size, const void *src) = (void *)114;
static long (*const bpf_probe_read_kernel_str)(void *dst, __u32 size, const void *src) = (void *)115;
static void *(*const bpf_get_current_task)(void) = (void *)35;
static __u64 (*const bpf_ktime_get_boot_ns)(void) = (void *)125;
static void *(*const bpf_get_current_task_btf)(void) = (void *)158;
static long (*const bpf_task_pt_regs)(void *task) = (void *)175;
static long (*const bpf_find_vma)(void *task, __u64 address, void *callback, void *context, __u64 flags) = (void *)180;
static void *(*const bpf_ringbuf_reserve)(void *map, __u64 size, __u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *record, __u64 flags) = (void *)132;
static void (*const bpf_ringbuf_discard)(void *record, __u64 flags) = (void *)133;

/* Relocated reads: the value of src->field, through the fault-tolerant helper. */
#define READ_INTO(dst, src, field) bpf_probe_read_kernel((dst), sizeof(*(dst)), __builtin_preserve_access_index(&(src)->field))
#define READ(src, field)                                                                                               \
    ({                                                                                                                 \
        __typeof__((src)->field) value_ = 0;                                                                           \
        READ_INTO(&value_, src, field);                                                                                \
        value_;                                                                                                        \
    })
#define FIELD_OFFSET(type, field) __builtin_preserve_field_info(((type *)0)->field, 0)
#define FIELD_EXISTS(type, field) __builtin_preserve_field_info(((type *)0)->field, 2)
#define TYPE_EXISTS(type) __builtin_preserve_type_info(*(type *)0, 0)
#define TYPE_SIZE(type) __builtin_preserve_type_info(*(type *)0, 1)

/*
 * Whether this kernel has a helper: its own list of them says so. The answer is a constant to the verifier, which never
 * looks at the other branch, so one object serves kernels that lack a helper.
 */
enum bpf_func_id {
    BPF_FUNC_get_current_task_btf = 158, /* Linux 5.11 */
    BPF_FUNC_task_pt_regs = 175,         /* Linux 5.15 */
};
#define HELPER_EXISTS(name) __builtin_preserve_enum_value(*(enum bpf_func_id *)BPF_FUNC_##name, 0)

/*
 * From Linux 7.0 a tracepoint's program can be interrupted by another task of the same CPU, which would write into the same ring
 * and the same state. These stand where the loader puts calls of bpf_preempt_disable and bpf_preempt_enable there, and nothing
 * before.
 */
#define CALL(number) asm volatile("call " STRING(number) ::: "r0", "r1", "r2", "r3", "r4", "r5", "memory")
#define STRING(number) STRING_(number)
#define STRING_(number) #number

/* A program on a tracepoint, which has its CPU for itself until it ends, and works where it is to. */
#define PROGRAM(hook, name, is_to, work)                                                                               \
    SEC(hook)                                                                                                          \
    int name(__u64 *ctx)                                                                                               \
    {                                                                                                                  \
        CALL(HOLD_CPU);                                                                                                \
        if (is_to)                                                                                                     \
            work(ctx);                                                                                                 \
        CALL(YIELD_CPU);                                                                                               \
        return 0;                                                                                                      \
    }
#define HOOK_ONCE(hook, name)                                                                                          \
    inline_always int name##_alone(__u64 *ctx);                                                                        \
    PROGRAM(hook, name, 1, name##_alone)                                                                               \
    inline_always int name##_alone(__u64 *ctx)

/*
 * The same, with a second program behind it: while a run is under way the kernel does not run the program for anybody else on
 * that CPU, and what the first was not run for the second takes. It is loaded where an interrupt may pass the same tracepoint
 * (`INTERRUPTED`), and for every program where other tasks may come in between: there a task often loses its CPU at the very end
 * of a run, where the CPU is given back.
 */
#define HOOK(hook, name)                                                                                               \
    inline_always int name##_alone(__u64 *ctx);                                                                        \
    PROGRAM(hook, name, is_first_run(twice || INTERRUPTED_##name, NUMBER_##name, ctx), name##_alone)                   \
    PROGRAM(hook, name##_again, was_not_run(NUMBER_##name, ctx), name##_alone)                                         \
    inline_always int name##_alone(__u64 *ctx)

/* A field of a task that may be the current one: read in place where its pointer has a type, else through the helper. */
#define OF(task, field) (HELPER_EXISTS(get_current_task_btf) ? (task)->field : READ(task, field))

/* Bytes of a kernel stack, at whose end the registers lie (x86_64 without KASAN): for kernels without bpf_task_pt_regs. */
#define STACK_BYTES 16384

enum { MAP_HASH = 1, MAP_ARRAY = 2, MAP_LRU_HASH = 9, MAP_RINGBUF = 27 };
enum { MAP_MMAPABLE = 1 << 10, MAP_NO_PREALLOC = 1 };
#define __uint(name, value) int(*name)[value]
#define __type(name, value) __typeof__(value) *name

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, flags, sp;
};
struct thread_info {
    __u32 status;
};
typedef struct {
    __u32 val;
} kuid_t, kgid_t;
struct ns_common {
    __u32 inum;
};
struct user_namespace {
    struct ns_common ns;
};
struct pid_namespace {
    struct ns_common ns;
};
struct mnt_namespace {
    struct ns_common ns;
};
struct net {
    struct ns_common ns;
};
struct uts_namespace {
    struct ns_common ns;
};
struct ipc_namespace {
    struct ns_common ns;
};
struct cgroup_namespace {
    struct ns_common ns;
};
struct time_namespace {
    struct ns_common ns;
};
struct nsproxy {
    struct uts_namespace *uts_ns;
    struct ipc_namespace *ipc_ns;
    struct mnt_namespace *mnt_ns;
    struct net *net_ns;
    struct time_namespace *time_ns;
    struct cgroup_namespace *cgroup_ns;
};
/* One number, or two halves of it (before Linux 6.3): read whole. */
typedef struct {
} kernel_cap_t;
struct cred {
    kuid_t uid, euid;
    kgid_t gid, egid;
    unsigned securebits;
    kernel_cap_t cap_inheritable, cap_permitted, cap_effective, cap_bset, cap_ambient;
    struct user_namespace *user_ns;
};
struct upid {
    int nr;
    struct pid_namespace *ns;
};
struct pid {
    unsigned int level;
    struct upid numbers[1];
};
struct tty_driver {
    int major, minor_start;
};
struct tty_struct {
    struct tty_driver *driver;
    int index;
};
typedef struct {
    int counter;
} atomic_t;
struct signal_struct {
    atomic_t live;
    struct pid *pids[4];
    struct tty_struct *tty;
    __u64 utime, stime;
    unsigned long nvcsw, nivcsw, min_flt, maj_flt, maxrss;
};
struct qstr {
    __u32 len;
    const unsigned char *name;
};
struct hlist_bl_node {
    struct hlist_bl_node **pprev;
};
struct inode;
struct dentry {
    struct hlist_bl_node d_hash;
    struct dentry *d_parent;
    struct qstr d_name;
    struct inode *d_inode;
};
struct vfsmount {
    struct dentry *mnt_root;
};
struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
};
struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};
struct super_block {
    __u32 s_dev;
    unsigned long s_magic;
};
struct timespec64 {
    __s64 tv_sec;
    long tv_nsec;
};
struct inode {
    unsigned short i_mode;
    struct super_block *i_sb;
    unsigned long i_ino;
    __u32 i_rdev;
    __s64 i_size;
    __s64 i_mtime_sec, i_ctime_sec;
    __u32 i_mtime_nsec, i_ctime_nsec;
};
/* Up to Linux 6.10; the second name of the time of change is that of 6.6 to 6.10. */
struct inode___old {
    struct timespec64 i_mtime, i_ctime, __i_mtime, __i_ctime;
};
struct file {
    struct path f_path;
    struct inode *f_inode;
    unsigned int f_flags;
    void *private_data;
};
struct fdtable {
    unsigned int max_fds;
    struct file **fd;
};
struct files_struct {
    struct fdtable *fdt;
};
struct fs_struct {
    struct path pwd;
};
struct mm_struct {
    unsigned long arg_start, arg_end, env_start, env_end;
    struct file *exe_file;
};
struct kernfs_node {
    __u64 id;
};
struct cgroup;
struct cgroup_subsys_state {
    struct cgroup *cgroup;
    struct cgroup_subsys_state *parent;
};
/* A controller's place among those of this kernel: which there are, and where, differs from build to build. */
enum cgroup_subsys_id { pids_cgrp_id = 1, memory_cgrp_id, cpu_cgrp_id, devices_cgrp_id, freezer_cgrp_id };
#define CONTROLLER(name) __builtin_preserve_enum_value(*(enum cgroup_subsys_id *)name##_cgrp_id, 1)
struct cgroup_root {
    int hierarchy_id;
};
struct cgroup {
    struct cgroup_subsys_state self; /* first, so a css of a cgroup is its cgroup */
    struct kernfs_node *kn;
    struct cgroup_root *root;
};
struct css_set {
    struct cgroup_subsys_state *subsys[1]; /* as many as there are controllers */
    struct cgroup *dfl_cgrp;
};
struct task_struct {
    struct thread_info thread_info;
    int pid, tgid;
    int exit_code;
    __u32 flags;
    __u64 start_boottime;
    __u64 self_exec_id;
    struct task_struct *group_leader, *real_parent;
    struct pid *thread_pid;
    struct mm_struct *mm;
    struct files_struct *files;
    struct fs_struct *fs;
    struct nsproxy *nsproxy;
    struct css_set *cgroups;
    struct cred *cred;
    struct signal_struct *signal;
    void *stack;
    __u64 utime, stime;
    unsigned long nvcsw, nivcsw, min_flt, maj_flt;
    kuid_t loginuid;
    char comm[16];
};
struct linux_binprm {
    const char *filename, *interp, *fdpath;
    struct file *file;
};
struct in6_addr {
    __u8 bytes[16];
};
typedef struct {
    struct net *net;
} possible_net_t;
struct sock_common {
    __u32 skc_daddr, skc_rcv_saddr;
    __u16 skc_dport, skc_num;
    unsigned short skc_family;
    unsigned char skc_state;
    struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
    possible_net_t skc_net;
};
struct sock_cgroup_data {
    struct cgroup *cgroup;
};
struct socket;
struct sock {
    struct sock_common __sk_common;
    __u16 sk_protocol;
    struct socket *sk_socket;
    struct pid *sk_peer_pid;
    struct cred *sk_peer_cred;
    struct sock_cgroup_data sk_cgrp_data;
    __u32 sk_ack_backlog, sk_max_ack_backlog;
};
struct socket {
    short type;
    struct sock *sk;
};
struct socket_alloc {
    struct socket socket; /* first, so a socket is its allocation */
    struct inode vfs_inode;
};
struct inet_sock {
    struct sock sk;
    __u16 inet_sport;
};
struct sockaddr_un {
    unsigned short sun_family;
    char sun_path[108];
};
struct unix_address {
    int len;
    struct sockaddr_un name[1];
};
struct unix_sock {
    struct unix_address *addr;
    struct sock *peer;
};
struct sockaddr_vm {
    __u32 svm_port, svm_cid;
};
struct module {
    char name[1];
    unsigned long taints;
};
struct vsock_sock {
    struct sockaddr_vm local_addr, remote_addr;
};
union __sifields {
    struct {
        void *_addr;
    } _sigfault;
};
struct kernel_siginfo {
    int si_signo, si_errno, si_code;
    union __sifields _sifields;
};
struct vm_area_struct {
    unsigned long vm_start, vm_end, vm_pgoff;
    struct file *vm_file;
};
struct sigaction {
    void *sa_handler;
    unsigned long sa_flags;
};
struct k_sigaction {
    struct sigaction sa;
};

/* io_uring. A request's command area lies at its start, and each operation lays its own structure over it. */
struct filename {
    const char *name;
};
struct io_cqe {
    __u64 user_data;
    __s32 res;
    __u32 flags;
    int fd;
};
struct io_rsrc_node {
    unsigned long file_ptr;
};
struct io_rsrc_data {
    unsigned int nr;
    struct io_rsrc_node **nodes;
};
struct io_file_table {
    struct io_rsrc_data data;
};
struct io_ring_ctx {
    struct io_file_table file_table;
};
struct io_uring_task {
    struct task_struct *task;
};
struct io_kiocb {
    struct file *file;
    __u8 opcode;
    __u32 flags;
    struct io_cqe cqe;
    struct io_ring_ctx *ctx;
    struct io_uring_task *tctx; /* from Linux 6.13 */
    struct task_struct *task;   /* before */
    void *async_data;
};
struct io_uring_sqe {
    __u8 opcode, flags;
    __s32 fd;
};
struct io_uring_cqe {
    __u64 user_data;
    __s32 res;
    __u32 flags;
};
struct open_how {
    __u64 flags, mode;
};
struct io_open {
    int dfd;
    __u32 file_slot;
    struct filename *filename;
    struct open_how how;
};
struct io_close {
    int fd;
};
struct io_rename {
    int old_dfd;
    struct filename *oldpath, *newpath;
    int flags;
};
struct io_link {
    int old_dfd;
    struct filename *oldpath, *newpath;
    int flags;
};
struct io_unlink {
    int dfd, flags;
    struct filename *filename;
};
struct io_mkdir {
    int dfd;
    unsigned short mode;
    struct filename *filename;
};
struct io_statx {
    int dfd;
    unsigned int flags;
    struct filename *filename;
};
struct io_xattr {
    struct filename *filename;
};
/* From Linux 7.0 requests hold their paths one step further away. */
struct delayed_filename {
    struct filename *__incomplete_filename;
};
struct io_open___delayed {
    struct delayed_filename filename;
};
struct io_statx___delayed {
    struct delayed_filename filename;
};
struct io_unlink___delayed {
    struct delayed_filename filename;
};
struct io_mkdir___delayed {
    struct delayed_filename filename;
};
struct io_xattr___delayed {
    struct delayed_filename filename;
};
struct io_rename___delayed {
    struct delayed_filename oldpath, newpath;
};
struct io_link___delayed {
    struct delayed_filename oldpath, newpath;
};
struct kiocb {
    __s64 ki_pos;
};
struct io_rw {
    struct kiocb kiocb;
    __u64 addr;
    __u32 len;
};
struct io_sr_msg {
    void *umsg, *buf;
    int len;
    unsigned int msg_flags;
};
struct io_connect {
    int addr_len;
};
struct io_bind {
    int addr_len;
};
struct io_accept {
    __u32 file_slot;
};
struct io_socket {
    int domain, type, protocol;
    __u32 file_slot;
};
struct sockaddr_bytes {
    char bytes[128];
};
struct io_async_msghdr {
    struct sockaddr_bytes addr;
};
struct io_async_connect {
    struct sockaddr_bytes address;
};

#pragma clang attribute pop

/* User memory, laid down by the ABI: never relocated. */
struct user_iovec {
    __u64 base, len;
};
struct user_msghdr {
    __u64 name;
    __u32 namelen, pad;
    __u64 iov, iovlen, control, controllen;
};

/* The same of 32-bit callers: include/linux/compat.h, include/net/compat.h. */
struct user_iovec32 {
    __u32 base, len;
};
struct user_msghdr32 {
    __u32 name, namelen, iov, iovlen, control, controllen;
};

/* include/uapi/linux/stat.h, magic.h; arch/x86/include/asm/thread_info.h */
enum { AF_UNIX = 1, AF_VSOCK = 40 }; /* include/linux/socket.h */
enum { S_IFMT = 0170000, S_IFSOCK = 0140000, S_IFREG = 0100000, S_IFDIR = 040000, S_IFCHR = 020000, OVERLAYFS_MAGIC = 0x794c7630, TS_COMPAT = 2, X32_BIT = 0x40000000 };
