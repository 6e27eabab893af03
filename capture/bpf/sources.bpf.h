/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Sources beside calls and processes: io_uring, signals, TCP, modules. A recording does without any of them: each is loaded and
 * attached by itself, and what is refused is named in the capture.
 *
 * Some of them interrupt whatever the processor does, a record being written included. Those go through a ring buffer of
 * their own, which many may write at once; it is for events that are few.
 */
#pragma once

struct {
    __uint(type, MAP_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, MAP_MMAPABLE);
    __type(key, __u32);
    __type(value, struct side_books);
} side_totals SEC(".maps");

struct side_record {
    struct task_context context;
    struct record_head head;
    struct part_head file_head;
    struct file_part file;
    struct part_head socket_head;
    struct socket_part socket;
};

/*
 * io_uring. An operation is a record when it is submitted, with what was asked, and one when it completes, with what came of
 * it; user space joins them by the address of the request. Both may be in a kernel thread: the owner is the request's own.
 */

/* Kernel memory of a known length: a socket address the kernel has copied. */
checked_once int put_kernel_bytes(__u32 tag_slot, __u64 address, __u32 len)
{
    CURRENT(c, rec);
    __u64 off = offset(c);
    if (!ROOM(off, 256))
        return 0;
    if (len > 128)
        len = 128;
    char *at = rec + off;
    if (bpf_probe_read_kernel(at + sizeof(struct part_head), len, (void *)address) < 0)
        return 0;
    head_of(at, tag_slot >> 16, tag_slot & 0xffff, len, len, 0);
    c->off = off + sizeof(struct part_head) + PADDED(len & 0xff);
    return 0;
}

/* A path as the kernel has copied it. */
checked_once int put_filename(__u32 slot, __u64 address)
{
    CURRENT(c, rec);
    struct filename *filename = (void *)address;
    __u64 off = offset(c);
    if (!ROOM(off, PATH_BYTES)) {
        cut(rec);
        return 0;
    }
    const char *name = READ(filename, name);
    char *at = rec + off;
    long n = bpf_probe_read_kernel_str(at + sizeof(struct part_head), PATH_BYTES, (void *)name);
    if (n <= 0)
        return 0;
    __u32 len = n - 1;
    head_of(at, PART_ARG, slot, len, n == PATH_BYTES ? len + 1 : len, 0);
    c->off = off + sizeof(struct part_head) + PADDED(len & 0x1fff);
    return 0;
}

/* include/uapi/linux/io_uring.h: operations whose request says more than its head. */
enum {
    OP_READV = 1, OP_WRITEV = 2, OP_READ_FIXED = 4, OP_WRITE_FIXED = 5, OP_SENDMSG = 9, OP_RECVMSG = 10, OP_ACCEPT = 13,
    OP_CONNECT = 16, OP_OPENAT = 18, OP_CLOSE = 19, OP_STATX = 21, OP_READ = 22, OP_WRITE = 23, OP_SEND = 26, OP_RECV = 27,
    OP_OPENAT2 = 28, OP_RENAMEAT = 35, OP_UNLINKAT = 36, OP_MKDIRAT = 37, OP_SYMLINKAT = 38, OP_LINKAT = 39,
    OP_SETXATTR = 42, OP_GETXATTR = 44, OP_SOCKET = 45, OP_SEND_ZC = 47, OP_SENDMSG_ZC = 48, OP_FIXED_FD_INSTALL = 54,
    OP_BIND = 56, OP_READV_FIXED = 60, OP_WRITEV_FIXED = 61,
};
/* Bits of a request that are bits of its submission: IOSQE_FIXED_FILE and IOSQE_BUFFER_SELECT. */
enum { FIXED_FILE = 1, BUFFER_SELECT = 32 };
/* Slots of a submission's parts, and places of its numbers in the record's arguments. */
enum { SLOT_PATH = 1, SLOT_NEW_PATH = 2, SLOT_DATA = 3 };
#define DATA_SLOT (PAYLOAD | (PART_ARG << 16) | SLOT_DATA)
enum { ARG_REQUEST, ARG_RING, ARG_USER_DATA, ARG_FLAGS, ARG_OFFSET, ARG_SIZE };

/* The kernel's copy of a path that a request holds. */
#define PATH_OF(type, request, field)                                                                                  \
    (TYPE_EXISTS(struct delayed_filename) ? (__u64)READ((struct type##___delayed *)(request), field.__incomplete_filename)  \
                                          : (__u64)READ((struct type *)(request), field))

/* What an operation asks for. */
checked_once int put_asked(__u64 request, __u32 opcode)
{
    CURRENT(c, rec);
    struct record_head *h = (void *)rec;
    __u64 path = 0, new_path = 0;
    switch (opcode) {
    case OP_OPENAT:
    case OP_OPENAT2: {
        struct io_open *open = (void *)request;
        h->result = (__s64)READ(open, dfd);
        h->args[ARG_OFFSET] = READ(open, how.flags);
        path = PATH_OF(io_open, request, filename);
        break;
    }
    case OP_CLOSE: {
        struct io_close *close = (void *)request;
        h->result = (__s64)READ(close, fd);
        break;
    }
    case OP_STATX: {
        struct io_statx *statx = (void *)request;
        h->result = (__s64)READ(statx, dfd);
        path = PATH_OF(io_statx, request, filename);
        break;
    }
    case OP_UNLINKAT: {
        struct io_unlink *unlink = (void *)request;
        h->result = (__s64)READ(unlink, dfd);
        h->args[ARG_OFFSET] = (__u32)READ(unlink, flags);
        path = PATH_OF(io_unlink, request, filename);
        break;
    }
    case OP_MKDIRAT: {
        struct io_mkdir *mkdir = (void *)request;
        h->result = (__s64)READ(mkdir, dfd);
        h->args[ARG_OFFSET] = READ(mkdir, mode);
        path = PATH_OF(io_mkdir, request, filename);
        break;
    }
    case OP_RENAMEAT: {
        struct io_rename *rename = (void *)request;
        h->result = (__s64)READ(rename, old_dfd);
        h->args[ARG_OFFSET] = (__u32)READ(rename, flags);
        path = PATH_OF(io_rename, request, oldpath);
        new_path = PATH_OF(io_rename, request, newpath);
        break;
    }
    case OP_SYMLINKAT:
    case OP_LINKAT: {
        struct io_link *link = (void *)request;
        h->result = (__s64)(opcode == OP_LINKAT ? READ(link, old_dfd) : -100);
        h->args[ARG_OFFSET] = (__u32)READ(link, flags);
        path = PATH_OF(io_link, request, oldpath);
        new_path = PATH_OF(io_link, request, newpath);
        break;
    }
    case OP_SETXATTR:
    case OP_GETXATTR:
        path = PATH_OF(io_xattr, request, filename);
        break;
    case OP_READV:
    case OP_READV_FIXED:
    case OP_READ_FIXED:
    case OP_READ:
    case OP_WRITEV:
    case OP_WRITEV_FIXED: {
        struct io_rw *rw = (void *)request;
        h->args[ARG_OFFSET] = READ(rw, kiocb.ki_pos);
        h->args[ARG_SIZE] = READ(rw, len);
        break;
    }
    case OP_WRITE_FIXED:
    case OP_WRITE: {
        struct io_rw *rw = (void *)request;
        __u32 len = READ(rw, len);
        h->args[ARG_OFFSET] = READ(rw, kiocb.ki_pos);
        h->args[ARG_SIZE] = len;
        put_bytes(DATA_SLOT, READ(rw, addr), len);
        break;
    }
    case OP_SEND:
    case OP_SEND_ZC: {
        struct io_sr_msg *message = (void *)request;
        __u32 len = READ(message, len);
        h->args[ARG_SIZE] = len;
        put_bytes(DATA_SLOT, (__u64)READ(message, buf), len);
        break;
    }
    case OP_RECV: {
        struct io_sr_msg *message = (void *)request;
        h->args[ARG_SIZE] = (__u32)READ(message, len);
        break;
    }
    case OP_CONNECT:
    case OP_BIND: {
        struct io_kiocb *req = (void *)request;
        __u64 copy = (__u64)READ(req, async_data);
        __u32 len = 0;
        if (opcode == OP_CONNECT)
            len = READ((struct io_connect *)request, addr_len);
        else if (FIELD_EXISTS(struct io_bind, addr_len))
            len = READ((struct io_bind *)request, addr_len);
        if (!copy)
            break;
        if (FIELD_EXISTS(struct io_async_connect, address))
            copy += FIELD_OFFSET(struct io_async_connect, address);
        else if (FIELD_EXISTS(struct io_async_msghdr, addr))
            copy += FIELD_OFFSET(struct io_async_msghdr, addr);
        put_kernel_bytes((PART_ADDR << 16) | SLOT_DATA, copy, len);
        break;
    }
    default:
        break;
    }
    if (path)
        put_filename(SLOT_PATH, path);
    if (new_path)
        put_filename(SLOT_NEW_PATH, new_path);
    return 0;
}

inline_always int uring_submit(struct io_kiocb *req, struct io_uring_sqe *refused)
{
    struct task_struct *owner = FIELD_EXISTS(struct io_kiocb, tctx) ? req->tctx->task : req->task;
    if (owner->tgid == self_tgid)
        return 0;
    __u64 cgroup = cgroup_id(owner);
    if (!in_scope(owner, cgroup))
        return 0;
    struct writer w;
    struct record_head *h = begin(&w, owner, cgroup, URING_SUBMIT);
    if (!h)
        return 0;
    __u64 request = 0;
    bpf_probe_read_kernel(&request, sizeof(request), &req);
    say(h, request, (__u64)req->ctx, req->cqe.user_data);
    if (refused) {
        /* The request was not filled in: what was asked is in the submission alone, which the program can still change. */
        h->nr = refused->opcode;
        h->result = (__s64)refused->fd;
        h->args[ARG_FLAGS] = refused->flags;
        commit(&w);
        return 0;
    }
    __u32 opcode = req->opcode;
    h->nr = opcode;
    /* Every request starts with its descriptor; those without one say otherwise below. */
    h->result = (__s64)req->cqe.fd;
    h->args[ARG_FLAGS] = req->flags & 0x7f;
    put_asked(request, opcode);
    if (opcode == OP_CLOSE) {
        struct file *file = file_of(owner, (__u32)h->result);
        if (file)
            put_file(SLOT_RESULT, (__u64)file, 0);
    }
    commit(&w);
    return 0;
}

/* From Linux 6.4. */
HOOK("tp_btf/io_uring_submit_req", on_uring_submit)
{
    return uring_submit((void *)ctx[0], 0);
}

/* Linux 6.0 to 6.3. */
HOOK("tp_btf/io_uring_submit_sqe", on_uring_submit_old)
{
    return uring_submit((void *)ctx[0], 0);
}

HOOK("tp_btf/io_uring_req_failed", on_uring_refused)
{
    return uring_submit((void *)ctx[1], (void *)ctx[0]);
}

inline_always __u64 file_at(struct task_struct *task, __u32 fd)
{
    struct files_struct *files = READ(task, files);
    struct fdtable *fdt = READ(files, fdt);
    if (!fdt || fd >= READ(fdt, max_fds))
        return 0;
    struct file **table = READ(fdt, fd);
    __u64 file = 0;
    bpf_probe_read_kernel(&file, sizeof(file), table + fd);
    return file;
}

/* The file that an operation has put into a slot of the ring's own table, counted from 1. */
inline_always __u64 file_in_ring(struct io_kiocb *req, __u32 slot)
{
    if (!FIELD_EXISTS(struct io_ring_ctx, file_table.data.nodes))
        return 0;
    struct io_ring_ctx *ring = READ(req, ctx);
    struct io_rsrc_node **nodes = READ(ring, file_table.data.nodes);
    struct io_rsrc_node *node = 0;
    if (slot == 0 || slot > READ(ring, file_table.data.nr))
        return 0;
    bpf_probe_read_kernel(&node, sizeof(node), nodes + (slot - 1));
    /* The low bits are marks. */
    return node ? READ(node, file_ptr) & ~3ul : 0;
}

/* What an operation gave back: the file it opened, the bytes it read. */
checked_once int put_given(__u64 request, __u64 owner, __u32 opcode, __s64 result, __u64 with_memory)
{
    CURRENT(c, rec);
    struct io_kiocb *req = (void *)request;
    struct task_struct *task = (void *)owner;
    __u32 slot = 0;
    switch (opcode) {
    case OP_OPENAT:
    case OP_OPENAT2:
        slot = READ((struct io_open *)request, file_slot);
        break;
    case OP_ACCEPT:
        slot = READ((struct io_accept *)request, file_slot);
        break;
    case OP_SOCKET:
        if (FIELD_EXISTS(struct io_socket, file_slot))
            slot = READ((struct io_socket *)request, file_slot);
        break;
    case OP_FIXED_FD_INSTALL:
        break;
    case OP_READ:
    case OP_READ_FIXED: {
        struct io_rw *rw = (void *)request;
        if (with_memory && result > 0)
            put_bytes(DATA_SLOT, READ(rw, addr), result);
        return 0;
    }
    case OP_READV:
    case OP_WRITEV: {
        struct io_rw *rw = (void *)request;
        if (with_memory && result > 0)
            put_vector((PART_ARG << 16) | SLOT_DATA, READ(rw, addr), READ(rw, len), result);
        return 0;
    }
    case OP_RECV: {
        struct io_sr_msg *message = (void *)request;
        if (with_memory && result > 0)
            put_bytes(DATA_SLOT, (__u64)READ(message, buf), result);
        return 0;
    }
    case OP_SENDMSG:
    case OP_SENDMSG_ZC:
    case OP_RECVMSG: {
        struct io_sr_msg *message = (void *)request;
        struct user_msghdr m = {};
        if (!with_memory || result < 0 || bpf_probe_read_user(&m, sizeof(m), READ(message, umsg)) < 0)
            return 0;
        if (m.name && m.namelen)
            put_struct((PART_ADDR << 16) | SLOT_DATA, m.name, m.namelen > 128 ? 128 : m.namelen);
        put_vector((PART_ARG << 16) | SLOT_DATA, m.iov, (__u32)m.iovlen, result);
        return 0;
    }
    default:
        return 0;
    }
    if (result < 0)
        return 0;
    __u64 file = 0;
    if (slot == ~0u) /* IORING_FILE_INDEX_ALLOC: the result is the slot, counted from 0 */
        file = file_in_ring(req, (__u32)result + 1);
    else if (slot)
        file = file_in_ring(req, slot);
    else
        file = file_at(task, (__u32)result);
    if (!file)
        return 0;
    /* No CPU may take it for a file that was open at the same address before: as `put_fd` does. */
    __u64 hash = file * 0x9e3779b97f4a7c15;
    __u32 stamp_at = (hash >> 48) & (OPENED - 1);
    __u64 *stamp = bpf_map_lookup_elem(&opened, &stamp_at);
    if (stamp)
        (*stamp)++;
    put_file(SLOT_RESULT, file, 0);
    return 0;
}

inline_always int uring_complete(__u64 ring, __u64 request, __u64 user_data, __s64 result, __u32 marks)
{
    struct task_struct *current = current_task();
    struct io_kiocb *req = (void *)request;
    __u64 owner = number_of(current);
    if (request) {
        if (FIELD_EXISTS(struct io_kiocb, tctx)) {
            struct io_uring_task *tctx = READ(req, tctx);
            owner = (__u64)READ(tctx, task);
        } else {
            owner = (__u64)READ(req, task);
        }
        user_data = READ(req, cqe.user_data);
        result = READ(req, cqe.res);
        marks = READ(req, cqe.flags);
    }
    struct task_struct *task = (void *)owner;
    __u32 tgid = READ(task, tgid);
    __u64 cgroup = cgroup_id(task);
    if (tgid == self_tgid || !tgid_in_scope(tgid, cgroup))
        return 0;
    struct writer w;
    struct record_head *h = begin(&w, current, cgroup, URING_COMPLETE);
    if (!h)
        return 0;
    h->result = result;
    say(h, request, ring, user_data);
    h->args[ARG_SIZE] = ((__u64)tgid << 32) | (__u32)READ(task, pid);
    h->args[ARG_OFFSET] = marks;
    if (request) {
        __u32 opcode = READ(req, opcode), flags = READ(req, flags);
        h->nr = opcode;
        h->args[ARG_FLAGS] = flags & 0x7f;
        __u64 file = (__u64)READ(req, file);
        /* The request's first word is its file only for operations that have one; then its descriptor was looked up. */
        if (file && opcode != OP_CLOSE)
            put_file(0, file, 0);
        __u64 memory = READ(task, mm) == READ(current, mm) && !(flags & BUFFER_SELECT);
        put_given(request, owner, opcode, result, memory);
    }
    commit(&w);
    return 0;
}

/* Kernels that hand over the entry. Elsewhere the argument is a number, and the check of this program fails. */
HOOK("tp_btf/io_uring_complete", on_uring_complete)
{
    struct io_uring_cqe *cqe = (void *)ctx[2];
    return uring_complete(ctx[0], ctx[1], cqe->user_data, cqe->res, cqe->flags);
}

/* Kernels that hand over its parts. Elsewhere there are fewer arguments, and the check of this program fails. */
HOOK("tp_btf/io_uring_complete", on_uring_complete_old)
{
    return uring_complete(ctx[0], ctx[1], ctx[2], (__s32)ctx[3], (__u32)ctx[4]);
}

/* The head of a record beside the rings: as `begin` writes it. User space numbers them. */
inline_always void side_head(struct side_record *r, struct task_struct *task, __u64 cgroup, __u8 kind, __u32 len)
{
    struct task_context *x = &r->context;
    x->pid = OF(task, tgid);
    x->tid = OF(task, pid);
    x->start_ns = start_of(task);
    x->cgroup = cgroup;
    x->exec_id = (__u32)OF(task, self_exec_id);
    x->pad = 0;
    struct record_head *h = &r->head;
    h->len = len;
    h->kind = kind;
    h->abi = 0;
    h->marks = 0;
    h->argc = 6;
    h->seq = 0;
    h->time_ns = bpf_ktime_get_boot_ns();
    h->nr = bpf_get_smp_processor_id();
    h->result = 0;
}

/* Room for a record beside the rings; 0 when there is none, which is counted. (Before Linux 5.12 atomic sums give nothing back.) */
inline_always struct side_record *side_room(void)
{
    __u32 zero = 0;
    struct side_books *books = bpf_map_lookup_elem(&side_totals, &zero);
    if (!books)
        return 0;
    __sync_fetch_and_add(&books->offered, 1);
    struct side_record *r = bpf_ringbuf_reserve(&side, sizeof(*r), 0);
    if (!r)
        __sync_fetch_and_add(&books->dropped, 1);
    return r;
}

inline_always void side_submit(struct side_record *r)
{
    __u32 cpu = bpf_get_smp_processor_id();
    struct cpu_control *ctl = bpf_map_lookup_elem(&control, &cpu);
    bpf_ringbuf_submit(r, ctl && is_asleep(ctl) != AWAKE ? FORCE_WAKEUP : NO_WAKEUP);
}

/* include/uapi/asm-generic/siginfo.h */
enum { SI_USER = 0, SI_QUEUE = -1, SI_TKILL = -6, SI_KERNEL = 0x80, SIGCHLD = 17, SIGCONT = 18 };

inline_always __s32 code_of(__u64 info)
{
    /* SEND_SIG_NOINFO and SEND_SIG_PRIV, include/linux/sched/signal.h */
    if (info == 0)
        return SI_USER;
    if (info == 1)
        return SI_KERNEL;
    return READ((struct kernel_siginfo *)info, si_code);
}

/* The last signal that somebody sent the recorder, but for those that wake it: who stopped it is known only here. */
struct {
    __uint(type, MAP_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct self_signal);
} self_signal SEC(".maps");

HOOK("tp_btf/signal_generate", on_signal_generate)
{
    struct task_struct *receiver = (void *)ctx[2];
    struct task_struct *sender = current_task();
    __u32 sender_tgid = OF(sender, tgid);
    if (sender_tgid == self_tgid)
        return 0;
    __u64 info = 0;
    bpf_probe_read_kernel(&info, sizeof(info), &ctx[1]);
    __s32 sig = (__s32)ctx[0], code = code_of(info);
    /* By a call of the current task, or by its end; anything else is the kernel's, whoever it interrupted. */
    int sent = code == SI_USER || code == SI_QUEUE || code == SI_TKILL || sig == SIGCHLD;
    if (sent && sig != SIGCHLD && sig != SIGCONT && receiver->tgid == self_tgid) {
        __u32 zero = 0;
        struct self_signal *last = bpf_map_lookup_elem(&self_signal, &zero);
        if (last) {
            last->time_ns = bpf_ktime_get_boot_ns();
            last->sig = sig;
            last->pid = sender_tgid;
            READ_INTO(&last->comm, sender, comm);
        }
    }
    __u64 from = cgroup_id(sender), to = cgroup_id(receiver);
    int by_sender = sent && in_scope(sender, from);
    if (!by_sender && (receiver->tgid == self_tgid || !in_scope(receiver, to)))
        return 0;
    struct side_record *r = side_room();
    if (!r)
        return 0;
    if (by_sender)
        side_head(r, sender, from, SIGNAL_GENERATE, sizeof(r->head));
    else
        side_head(r, receiver, to, SIGNAL_GENERATE, sizeof(r->head));
    r->head.args[0] = (__u32)sig;
    r->head.args[1] = sent ? sender_tgid : 0;
    r->head.args[2] = receiver->tgid;
    r->head.args[3] = (__u64)(__s64)code;
    r->head.args[4] = (__u32)ctx[4];
    r->head.args[5] = receiver->pid;
    side_submit(r);
    return 0;
}

HOOK("tp_btf/signal_deliver", on_signal_deliver)
{
    struct task_struct *task = current_task();
    struct k_sigaction *action = (void *)ctx[2];
    if (OF(task, tgid) == self_tgid)
        return 0;
    __u64 cgroup = cgroup_id(task);
    if (!in_scope(task, cgroup))
        return 0;
    __u64 info = 0;
    bpf_probe_read_kernel(&info, sizeof(info), &ctx[1]);
    struct writer w;
    struct record_head *h = begin(&w, task, cgroup, SIGNAL_DELIVER);
    if (!h)
        return 0;
    say(h, (__u32)ctx[0], (__u64)(__s64)code_of(info), (__u64)READ(action, sa.sa_handler));
    h->args[3] = READ(action, sa.sa_flags);
    commit(&w);
    return 0;
}

/*
 * Crashes. A signal whose default is a core dump, which nothing handles, ends the process in the middle of what it did: where
 * that was. Frames are followed by their pointers, which programs may leave out; each step is bounded and goes up the stack.
 */

/* Frames of one stack at most. */
#define FRAMES 32
/* Signals whose default is a core dump: QUIT ILL TRAP ABRT BUS FPE SEGV XCPU XFSZ SYS, signal(7). */
#define DUMPING (1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 11 | 1u << 24 | 1u << 25 | 1u << 31)
/* Those of them that say where: ILL TRAP BUS FPE SEGV. */
#define AT_ADDRESS (1u << 4 | 1u << 5 | 1u << 7 | 1u << 8 | 1u << 11)

static long mapping_of(struct task_struct *task, struct vm_area_struct *vma, struct frame_part *frame)
{
    frame->start = READ(vma, vm_start);
    frame->end = READ(vma, vm_end);
    frame->offset = (__u64)READ(vma, vm_pgoff) << 12;
    struct file *file = READ(vma, vm_file);
    if (!file)
        return 0;
    struct inode *inode = READ(file, f_inode);
    struct super_block *sb = READ(inode, i_sb);
    frame->ino = READ(inode, i_ino);
    frame->dev = READ(sb, s_dev);
    struct dentry *dentry = READ(file, f_path.dentry);
    const unsigned char *name = READ(dentry, d_name.name);
    bpf_probe_read_kernel_str(frame->name, sizeof(frame->name), name);
    return 0;
}

inline_always void put_frame(struct frame_part *frame)
{
    struct cpu_state *c;
    char *rec = current_record(&c);
    if (!rec)
        return;
    __u64 off = offset(c);
    if (!ROOM(off, sizeof(*frame)))
        return;
    OPAQUE(off);
    char *at = rec + off;
    head_of(at, PART_FRAME, 0, sizeof(*frame), sizeof(*frame), 0);
    __builtin_memcpy(at + sizeof(struct part_head), frame, sizeof(*frame));
    c->off = off + sizeof(struct part_head) + PADDED(sizeof(*frame));
}

checked_once int put_frame_alone(__u64 address)
{
    struct frame_part frame = {.address = address};
    put_frame(&frame);
    return 0;
}

/* With interrupts off the kernel gives the lock back later, so that only the first of several is answered; user space knows more. */
checked_once int put_frame_mapped(__u64 address)
{
    struct frame_part frame = {.address = address};
    bpf_find_vma(bpf_get_current_task_btf(), address, mapping_of, &frame, 0);
    put_frame(&frame);
    return 0;
}

inline_always void put_registers(struct pt_regs *regs, __u64 address)
{
    struct cpu_state *c;
    char *rec = current_record(&c);
    if (!rec)
        return;
    __u64 off = offset(c);
    if (!ROOM(off, sizeof(struct registers_part)))
        return;
    OPAQUE(off);
    char *at = rec + off;
    head_of(at, PART_REGISTERS, 0, sizeof(struct registers_part), sizeof(struct registers_part), 0);
    struct registers_part *r = (void *)(at + sizeof(struct part_head));
    r->address = address;
    r->ip = READ(regs, ip);
    r->sp = READ(regs, sp);
    r->bp = READ(regs, bp);
    r->flags = READ(regs, flags);
    r->others[0] = READ(regs, ax);
    r->others[1] = READ(regs, bx);
    r->others[2] = READ(regs, cx);
    r->others[3] = READ(regs, dx);
    r->others[4] = READ(regs, si);
    r->others[5] = READ(regs, di);
    r->others[6] = READ(regs, r8);
    r->others[7] = READ(regs, r9);
    r->others[8] = READ(regs, r10);
    r->others[9] = READ(regs, r11);
    r->others[10] = READ(regs, r12);
    r->others[11] = READ(regs, r13);
    r->others[12] = READ(regs, r14);
    r->others[13] = READ(regs, r15);
    c->off = off + sizeof(struct part_head) + PADDED(sizeof(struct registers_part));
}

inline_always int crashed(__u64 *ctx, int mapped)
{
    __u32 sig = (__u32)ctx[0];
    struct k_sigaction *action = (void *)ctx[2];
    if (sig > 31 || !(DUMPING >> sig & 1) || READ(action, sa.sa_handler))
        return 0;
    struct task_struct *task = current_task();
    if (OF(task, tgid) == self_tgid)
        return 0;
    __u64 cgroup = cgroup_id(task);
    if (!in_scope(task, cgroup))
        return 0;
    __u64 info = 0;
    bpf_probe_read_kernel(&info, sizeof(info), &ctx[1]);
    __u64 address = 0;
    if (info > 1 && (AT_ADDRESS >> sig & 1))
        address = (__u64)READ((struct kernel_siginfo *)info, _sifields._sigfault._addr);
    struct writer w;
    struct record_head *h = begin(&w, task, cgroup, CRASH);
    if (!h)
        return 0;
    say(h, sig, (__u64)(__s64)code_of(info), 0);
    struct pt_regs *regs = registers_of(task);
    put_registers(regs, address);
    __u64 frame = READ(regs, bp), lowest = READ(regs, sp), at = READ(regs, ip);
    for (int n = 0; n < FRAMES; n++) {
        if (mapped)
            put_frame_mapped(at);
        else
            put_frame_alone(at);
        __u64 next[2];
        if (frame < lowest || (frame & 7) || bpf_probe_read_user(next, sizeof(next), (void *)frame) < 0 || !next[1])
            break;
        lowest = frame + 1;
        frame = next[0];
        at = next[1];
    }
    commit(&w);
    return 0;
}

HOOK("tp_btf/signal_deliver", on_crash)
{
    return crashed(ctx, 1);
}

/* Before Linux 5.17 there is no helper that finds a mapping. */
HOOK("tp_btf/signal_deliver", on_crash_old)
{
    return crashed(ctx, 0);
}

/*
 * TCP. The processor that notices a change of state may be doing anything: user space finds the owner by the socket. Which
 * control group made the socket is in the socket.
 */
enum { TIME_WAIT = 6, NEW_SYN_RECV = 12 };

inline_always int tcp_event(__u64 *socket_argument, __u8 kind, __u64 first, __u64 second)
{
    __u64 address = 0;
    bpf_probe_read_kernel(&address, sizeof(address), socket_argument);
    if (!address)
        return 0;
    struct sock *sk = (void *)address;
    __u8 state = READ(sk, __sk_common.skc_state);
    /* Such sockets are only their first part. */
    int whole = state != TIME_WAIT && state != NEW_SYN_RECV;
    __u64 cgroup = 0;
    /* A socket knows its control group in the default hierarchy only. */
    if (whole && !group_controller && FIELD_EXISTS(struct sock, sk_cgrp_data)) {
        struct cgroup *group = READ(sk, sk_cgrp_data.cgroup);
        struct kernfs_node *kn = READ(group, kn);
        cgroup = READ(kn, id);
    }
    if (scope_mode == SCOPE_CGROUPS && !group_controller) {
        __u32 *verdict = bpf_map_lookup_elem(&cgroup_scope, &cgroup);
        if (!(verdict ? *verdict : scope_unknown))
            return 0;
    }
    struct side_record *r = side_room();
    if (!r)
        return 0;
    side_head(r, current_task(), cgroup, kind, sizeof(*r) - sizeof(r->context));
    r->head.args[0] = first;
    r->head.args[1] = second;
    r->head.args[2] = address;
    r->head.args[3] = 0;
    r->head.args[4] = 0;
    r->head.args[5] = 0;
    head_of((char *)&r->file_head, PART_FILE, 0, sizeof(r->file), sizeof(r->file), 0);
    __builtin_memset(&r->file, 0, sizeof(r->file));
    r->file.mode = S_IFSOCK;
    if (whole) {
        struct socket *socket = READ(sk, sk_socket);
        if (socket) {
            struct inode *inode = (void *)socket + FIELD_OFFSET(struct socket_alloc, vfs_inode);
            struct super_block *sb = READ(inode, i_sb);
            r->file.ino = READ(inode, i_ino);
            r->file.dev = READ(sb, s_dev);
        }
    }
    head_of((char *)&r->socket_head, PART_SOCKET, 0, sizeof(r->socket), sizeof(r->socket), 0);
    struct socket_part *s = &r->socket;
    __builtin_memset(s, 0, sizeof(*s));
    __u16 family = READ(sk, __sk_common.skc_family);
    s->family = family;
    s->type_ = 1;
    s->protocol = whole ? READ(sk, sk_protocol) : 6;
    s->state = state;
    put_ends(s, sk, family, whole);
    side_submit(r);
    return 0;
}

HOOK("tp_btf/inet_sock_set_state", on_sock_state)
{
    return tcp_event(&ctx[0], SOCK_STATE, (__u32)ctx[1], (__u32)ctx[2]);
}

HOOK("tp_btf/tcp_retransmit_skb", on_tcp_retransmit)
{
    return tcp_event(&ctx[0], TCP_RETRANSMIT, 0, 0);
}

HOOK("tp_btf/tcp_receive_reset", on_tcp_receive_reset)
{
    return tcp_event(&ctx[0], TCP_RECEIVE_RESET, 0, 0);
}

HOOK("tp_btf/tcp_send_reset", on_tcp_send_reset)
{
    return tcp_event(&ctx[0], TCP_SEND_RESET, 0, 0);
}

/* Names that come by exec or prctl are in the records of those calls: by number, 64-bit and 32-bit. */
inline_always int names_itself(void)
{
    struct task_struct *current = current_task();
    struct pt_regs *regs = registers_of(current);
    __u64 nr = READ(regs, orig_ax);
    if (OF(current, thread_info.status) & TS_COMPAT)
        return nr == 11 || nr == 358 || nr == 172;
    return nr == 59 || nr == 322 || nr == 157;
}

HOOK("tp_btf/task_rename", on_task_rename)
{
    struct task_struct *task = (void *)ctx[0];
    if (task->tgid == self_tgid || names_itself())
        return 0;
    __u64 cgroup = cgroup_id(task);
    if (!in_scope(task, cgroup))
        return 0;
    struct writer w;
    struct record_head *h = begin(&w, task, cgroup, TASK_RENAME);
    if (!h)
        return 0;
    say(h, task->pid, 0, 0);
    put_text(PART_TEXT, ctx[1]);
    commit(&w);
    return 0;
}

/*
 * Modules of the kernel, by the task that asks for one, brings one or removes one. A call that brings one does not say what it is
 * called, and what the kernel fetches by itself comes of a call that names no module at all.
 */
inline_always int module_event(__u8 kind, __u64 name, __u64 taints)
{
    struct task_struct *task = current_task();
    __u64 cgroup = cgroup_id(task);
    if (OF(task, tgid) == self_tgid || !in_scope(task, cgroup))
        return 0;
    struct writer w;
    struct record_head *h = begin(&w, task, cgroup, kind);
    if (!h)
        return 0;
    say(h, taints, 0, 0);
    put_text(PART_TEXT, name);
    commit(&w);
    return 0;
}

inline_always int whole_module_event(__u64 *ctx, __u8 kind)
{
    __u64 module = 0;
    bpf_probe_read_kernel(&module, sizeof(module), &ctx[0]);
    if (!module || !FIELD_EXISTS(struct module, taints))
        return 0;
    return module_event(kind, module + FIELD_OFFSET(struct module, name), READ((struct module *)module, taints));
}

HOOK("tp_btf/module_request", on_module_request)
{
    return module_event(MODULE_REQUEST, ctx[0], 0);
}

HOOK("tp_btf/module_load", on_module_load)
{
    return whole_module_event(ctx, MODULE_LOAD);
}

HOOK("tp_btf/module_free", on_module_free)
{
    return whole_module_event(ctx, MODULE_FREE);
}

#define CAP_SYS_ADMIN 21

/*
 * Capabilities, the first time that a program is found to have one, and the first time that it is found to lack one. Each mmap, brk and fork
 * asks for CAP_SYS_ADMIN only to find out how much memory may be promised: that it is lacking says nothing.
 */
HOOK("tp_btf/cap_capable", on_capable)
{
    struct task_struct *task = current_task();
    __u32 cap = (__u32)ctx[3], had = !(__u32)ctx[4];
    if (cap > 63 || (cap == CAP_SYS_ADMIN && !had))
        return 0;
    __u64 cgroup = cgroup_id(task);
    if (OF(task, tgid) == self_tgid || !in_scope(task, cgroup))
        return 0;
    struct task_struct *leader = OF(task, group_leader);
    struct asked who = { .start_ns = start_of(leader), .tgid = OF(task, tgid), .exec_id = (__u32)OF(task, self_exec_id) };
    struct answers none = {}, *known = bpf_map_lookup_elem(&asked_capabilities, &who);
    if (!known) {
        bpf_map_update_elem(&asked_capabilities, &who, &none, 0);
        known = bpf_map_lookup_elem(&asked_capabilities, &who);
        if (!known)
            return 0;
    }
    __u64 bit = 1ULL << cap, *told = had ? &known->had[1] : &known->had[0];
    if (*told & bit)
        return 0;
    struct writer w;
    struct record_head *h = begin(&w, task, cgroup, CAPABLE);
    if (!h)
        return 0;
    *told |= bit;
    say(h, cap, had, 0);
    put_task(number_of(task));
    commit(&w);
    return 0;
}

/* PF_EXITING: the thread will not return from its call. */
#define EXITING 4

/*
 * Time in calls. Where a thread first gives up the CPU within a call, voluntarily or not, the instant is noted; whichever CPU
 * it comes back to is told, so that the return of a call that did not wait costs a comparison. A thread is in a call while the
 * registers it came with hold a number and, for the result, what the entry put there; ENOSYS may also be a result, which
 * `left` tells apart: a thread that gives up the CPU behind such a call is not timed before its next call has returned.
 */
SEC("tp_btf/sched_switch")
int on_switch(__u64 *ctx)
{
    struct task_struct *before = (void *)ctx[1], *next = (void *)ctx[2];
    __u32 cpu = bpf_get_smp_processor_id();
    struct cpu_state *c = bpf_map_lookup_elem(&cpus, &cpu);
    if (!c)
        return 0;
    is_running(c, before);
    if (!c->since && before->mm && !(before->flags & EXITING)) {
        struct pt_regs *regs = registers_of(before);
        __s64 nr = (__s64)READ(regs, orig_ax), result = (__s64)READ(regs, ax);
        if (nr >= 0 && result == -NOT_A_CALL && before->tgid != self_tgid && in_scope(before, cgroup_id(before))) {
            int left = c->left == (__u64)before;
            struct wait_begun begun = {.since_ns = left ? UNTIMED : bpf_ktime_get_boot_ns(), .task_start = before->start_boottime};
            __u32 tid = before->pid;
            if (bpf_map_update_elem(&waiting, &tid, &begun, 0))
                c->untimed++;
        }
    }
    c->since = waiting_since(next);
    c->runs = (__u64)next;
    return 0;
}
