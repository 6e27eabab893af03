# Sourced: the small file system that guests of qemu begin with, and programs in it.

# The folder that it is made in; gone with the script.
guest_root() { # guest_root OUT
    root=$(mktemp -d "$1/root.XXXXXX")
    trap 'rm -rf "$root"' EXIT
    chmod 755 "$root"
    mkdir -p "$root/bin" "$root/tests"
    cp "$(command -v busybox)" "$root/bin/busybox"
}

# Puts a program there, without what is for debuggers, and the libraries it needs.
guest_program() { # guest_program PATH NAME
    local library
    strip -o "$root/$2" "$1"
    { ldd "$root/$2" 2> /dev/null || true; } | { grep -oE '/[^ ]+' || true; } | while read -r library; do
        mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library"
    done
}

# Puts modules of a kernel there, by the folders they are in, so that modprobe finds them.
guest_modules() { # guest_modules KERNEL FOLDER…
    local image=$1 release folder; shift
    for release in "$(dirname "$(dirname "$image")")"/lib/modules/*; do
        for folder in "$@"; do
            mkdir -p "$root/lib/modules/${release##*/}/kernel/$folder"
            cp -r "$release/kernel/$folder/." "$root/lib/modules/${release##*/}/kernel/$folder"
        done
        cp "$release"/modules.{order,builtin} "$root/lib/modules/${release##*/}"
        depmod -b "$root" "${release##*/}" 2> /dev/null
    done
}

# Packs it, with its first program.
guest_pack() { # guest_pack INIT IMAGE
    install -m 755 "$1" "$root/init"
    (cd "$root" && find . | busybox cpio -o -H newc) 2> /dev/null | gzip -1 > "$2"
}
