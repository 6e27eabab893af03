/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * What is open when a recording begins: the kernel goes through the descriptors of every task and this says what each is. It is
 * read once, through a file; where the kernel refuses it, /proc is read instead.
 */
#pragma once

struct bpf_iter_meta {
    struct seq_file *seq;
};
struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    __u32 fd;
    struct file *file;
};

struct named_file {
    struct open_file head;
    char path[2 * PATH_BYTES]; /* or a socket; as far as the verifier can tell, what is told of it may be so long */
};

struct {
    __uint(type, MAP_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct named_file);
} named_file SEC(".maps");

SEC("iter/task_file")
int each_open_file(struct bpf_iter__task_file *ctx)
{
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    __u32 zero = 0;
    /* Its one reader goes through it alone. */
    struct named_file *o = bpf_map_lookup_elem(&named_file, &zero);
    if (!task || !file || !o)
        return 0;
    struct inode *inode = file->f_inode;
    o->head.start_ns = task->group_leader->start_boottime;
    o->head.ino = inode->i_ino;
    o->head.dev = inode->i_sb->s_dev;
    o->head.tgid = task->tgid;
    o->head.fd = ctx->fd;
    o->head.mode = inode->i_mode;
    o->head.what = OPEN_NAMED;
    __u32 len = 0;
    struct socket *socket = (o->head.mode & S_IFMT) == S_IFSOCK ? READ(file, private_data) : 0;
    struct sock *sk = socket ? READ(socket, sk) : 0;
    if (sk) {
        struct socket_part *s = (void *)o->path;
        char *name = o->path + sizeof(*s);
        describe_socket(s, socket, sk);
        o->head.what = OPEN_SOCKET;
        len = sizeof(*s);
        if (s->family == AF_UNIX && TYPE_EXISTS(struct unix_sock)) {
            __u32 kept = unix_name(name, sk);
            struct sock *other = kept ? 0 : READ((struct unix_sock *)sk, peer);
            if (other) {
                kept = unix_name(name, other);
                o->head.what = OPEN_PEER;
            }
            len += kept;
        }
    } else {
        long n = bpf_d_path(&file->f_path, o->path, PATH_BYTES);
        len = n > 0 && n <= PATH_BYTES ? (__u32)n : 0;
    }
    o->head.len = len;
    bpf_seq_write(ctx->meta->seq, o, sizeof(o->head) + (len & (2 * PATH_BYTES - 1)));
    return 0;
}
