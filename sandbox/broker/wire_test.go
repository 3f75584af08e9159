package broker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// wire sends one request as it is and reads the answer as it comes, on a
// connection of its own. With wait it returns when the server has closed the
// connection, which is after the notifications. A nil message is a connection
// that was lost.
func wire(address string, m *message, wait bool) (*message, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	out := m.first + "\r\nHost: broker\r\nConnection: close\r\n"
	for _, h := range m.headers {
		out += h.key + ": " + h.value + "\r\n"
	}
	if _, err := io.WriteString(conn, out+"\r\n"+m.body); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	answer, err := readMessage(in, strings.HasPrefix(m.first, "HEAD "))
	if err != nil || answer == nil {
		return nil, err
	}
	if wait {
		_, err = io.Copy(io.Discard, in)
	}
	return answer, err
}

func readMessage(in *bufio.Reader, bare bool) (*message, error) {
	m := &message{}
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) && m.first == "" {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		line = strings.TrimSuffix(line, "\r\n")
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case m.first == "":
			m.first = line
			continue
		case ok:
			m.headers = append(m.headers, header{name, value})
			continue
		case line != "":
			return nil, fmt.Errorf("not a header: %q", line)
		}
		break
	}
	length, _ := m.get("Content-Length")
	if length == "" || bare {
		return m, nil
	}
	n, err := strconv.Atoi(length)
	if err != nil {
		return nil, err
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, err
	}
	m.body = string(body)
	return m, nil
}
