package main

import "net"

// tracked makes a listener whose connections can be broken off.
func (s *streams) tracked(listener net.Listener) net.Listener {
	return &trackedListener{Listener: listener, owner: s}
}

type trackedListener struct {
	net.Listener
	owner *streams
}

type trackedConn struct {
	net.Conn
	owner *streams
}

func (l *trackedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: conn, owner: l.owner}
	l.owner.mutex.Lock()
	l.owner.conns[tracked] = struct{}{}
	l.owner.mutex.Unlock()
	return tracked, nil
}

func (c *trackedConn) Close() error {
	c.owner.mutex.Lock()
	delete(c.owner.conns, c)
	c.owner.mutex.Unlock()
	return c.Conn.Close()
}
