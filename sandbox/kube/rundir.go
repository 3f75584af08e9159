package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// The API server listens on the first free one of these ports: below the range from which the kernel gives
// ports to outgoing connections, so that nobody takes the port while the server is stopped for a while.
const (
	firstPort = 26443
	lastPort  = firstPort + 499
)

// runDir is the folder of one running server, named for its port. Its lock is held as long as the owner lives:
// a folder that nobody holds was left by a killed process.
type runDir struct {
	root  string
	path  string
	port  int
	lock  *fileLock
	claim io.Closer // of the port, for all folders and users of the machine
}

// claimRunDir removes what killed processes left in root and takes the first port that is free.
func claimRunDir(ctx context.Context, root string) (*runDir, error) {
	if err := ownFolder(root); err != nil {
		return nil, err
	}
	guard, err := lock(ctx, filepath.Join(root, "lock"), nil)
	if err != nil {
		return nil, err
	}
	defer guard.unlock()
	if err := sweep(root); err != nil {
		return nil, err
	}
	for port := firstPort; port <= lastPort; port++ {
		path := filepath.Join(root, strconv.Itoa(port))
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		claim := claimPort(port)
		if claim == nil {
			continue
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			claim.Close()
			return nil, fmt.Errorf("make run folder: %w", err)
		}
		held, err := tryLock(filepath.Join(path, "lock"))
		if err != nil {
			claim.Close()
			return nil, err
		}
		return &runDir{root: root, path: path, port: port, lock: held, claim: claim}, nil
	}
	return nil, fmt.Errorf("no free port from %d to %d for the API server", firstPort, lastPort)
}

// ownFolder makes the folder, or makes sure that it is ours alone: it holds keys, in a place others can write.
func ownFolder(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make run folder: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("look at run folder: %w", err)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !known || int(owner.Uid) != os.Getuid() {
		return fmt.Errorf("%s is not a folder of this user alone; remove it", path)
	}
	return nil
}

// sweep removes the folders that nobody holds. The caller holds the root's lock.
func sweep(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("list run folders: %w", err)
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		path := filepath.Join(root, entry.Name())
		held, err := tryLock(filepath.Join(path, "lock"))
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return err
		}
		err = os.RemoveAll(path)
		held.unlock()
		if err != nil {
			return fmt.Errorf("remove what a killed server left: %w", err)
		}
	}
	return nil
}

// claimPort is nil when somebody has the port. Who claims it holds the UDP port of the same number, which no API
// server uses: another folder's servers keep off the TCP port also while ours is stopped for a while.
func claimPort(port int) io.Closer {
	claim, err := net.ListenPacket("udp", loopback(port))
	if err != nil {
		return nil
	}
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		claim.Close()
		return nil
	}
	listener.Close()
	return claim
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// release removes the folder and gives the port back. Under the root's lock, since a claim may follow at once.
func (d *runDir) release() error {
	guard, err := lock(context.Background(), filepath.Join(d.root, "lock"), nil)
	if err != nil {
		return err
	}
	defer guard.unlock()
	defer d.lock.unlock()
	defer d.claim.Close()
	if err := os.RemoveAll(d.path); err != nil {
		return fmt.Errorf("remove run folder: %w", err)
	}
	return nil
}
