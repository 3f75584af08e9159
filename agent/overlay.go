package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
	"github.com/hlo-agent/hlo-agent/overlay"
)

// attrAddress on a component is its address in the overlay network of its
// service. It is written after the server was told of it, so what bears one is
// set up: nothing else has to be remembered.
const attrAddress = "overlayNetworkIP"

const (
	overlayPort = "51820" // of WireGuard
	subnetTries = 256     // a shim that was restarted gives out again what is in use
)

// overlays sets up the overlay networks of the services that we handle, in a
// lane of the shim's own. Safe for concurrent use.
type overlays struct {
	*reconciler
	shim   *overlay.Shim
	secret []byte
	lane   *lane

	mu    sync.Mutex
	given map[ngsild.EntityID]netip.Addr // by component, until the entity says so
	down  map[ngsild.EntityID]*removal   // services whose network was ordered away
	errs  map[ngsild.EntityID]string     // why a service's network is not as it should be
	stale map[ngsild.EntityID]bool       // services of which the server knows a component whose entity is gone
	log   *slog.Logger

	recalled bool // down is known
}

// newOverlays is nil where the settings name no secret: then no overlay
// networks are set up.
func (r *reconciler) newOverlays(transport http.RoundTripper) (*overlays, error) {
	if r.cfg.OverlaySecretFile == "" || r.cfg.DryRun {
		return nil, nil
	}
	secret, err := readSecret("OVERLAY_SECRET_FILE", r.cfg.OverlaySecretFile)
	if err != nil {
		return nil, err
	}
	if len(secret) < overlay.SecretMin {
		return nil, fmt.Errorf("OVERLAY_SECRET_FILE: the file that it names must hold at least %d characters", overlay.SecretMin)
	}
	o := &overlays{reconciler: r, shim: overlay.NewShim(r.cfg.ShimURL, transport),
		secret: []byte(secret), log: r.log, given: map[ngsild.EntityID]netip.Addr{}, down: map[ngsild.EntityID]*removal{}, errs: map[ngsild.EntityID]string{}, stale: map[ngsild.EntityID]bool{}}
	o.lane = newLane(r.now, o.tend, func(ngsild.EntityID) {})
	return o, nil
}

// membership is who is and who shall be in a service's network.
type membership struct {
	address map[ngsild.EntityID]netip.Addr // of who has one
	wanted  []ngsild.EntityID              // who shall have one, in order
	bears   map[ngsild.EntityID]bool       // whose entity says so
}

func (m *membership) settled() bool {
	if len(m.wanted) != len(m.bears) {
		return false
	}
	for _, id := range m.wanted {
		if !m.bears[id] {
			return false
		}
	}
	return true
}

// members reads the membership out of what was last heard of the components.
func (o *overlays) members(service ngsild.EntityID) membership {
	m := membership{address: map[ngsild.EntityID]netip.Addr{}, bears: map[ngsild.EntityID]bool{}}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.componentsOf(service) {
		text, _ := c.Text(attrAddress)
		address, bears := overlay.ParseAddress(text)
		if bears {
			m.address[c.ID], m.bears[c.ID] = address, true
			delete(o.given, c.ID)
		} else if given, ok := o.given[c.ID]; ok {
			m.address[c.ID] = given
		}
		placed := firstLink(&c, attrElement) != ""
		if o.down[service] == nil && !equalFold(c.Enum(attrStatus), statusFinished) && (placed || bears) {
			m.wanted = append(m.wanted, c.ID)
		}
	}
	slices.Sort(m.wanted)
	return m
}

// look has a service's network set up, changed or taken down where it is not as
// it should be.
func (o *overlays) look(service *ngsild.Entity) {
	m := o.members(service.ID)
	on, _ := service.Bool(attrOverlay)
	if (on || len(m.bears) > 0) && !m.settled() && o.handles(service) {
		o.lane.queue.AddAfter(service.ID, serviceDelay) // its other components may be coming
	}
	o.lookDown(service)
}

// deleted has the server forget a component whose entity is gone, and the service's
// network with the last one.
func (o *overlays) deleted(e *ngsild.Entity) {
	id := serviceOf(e)
	text, _ := e.Text(attrAddress)
	service, _ := o.links.cached(id)
	if _, bore := overlay.ParseAddress(text); !bore || id == "" || !o.handles(service) {
		return
	}
	o.mu.Lock()
	o.stale[id] = true
	delete(o.given, e.ID)
	o.mu.Unlock()
	o.lane.queue.AddAfter(id, serviceDelay)
}

// tend brings the server, and then the components' entities, to what the
// membership shall be. It may be repeated, and stopped anywhere.
func (o *overlays) tend(ctx context.Context, service ngsild.EntityID) error {
	err := o.lift(ctx, service)
	m := o.members(service)
	o.mu.Lock()
	stale := o.stale[service]
	o.mu.Unlock()
	switch {
	case err != nil:
	case m.settled() && !stale:
		return nil
	default:
		err = o.arrange(ctx, service, &m)
	}
	if errors.Is(err, errNotLeading) {
		return err // and nothing was learned of the shim or the broker
	}
	o.mu.Lock()
	if err == nil && stale {
		delete(o.stale, service)
	}
	before := o.errs[service]
	delete(o.errs, service)
	if err != nil {
		o.errs[service] = "the shim or the broker cannot be asked; it will be tried again"
		if errors.Is(err, overlay.ErrFull) || errors.Is(err, errNoSubnet) {
			o.errs[service] = err.Error()
		}
	}
	changed := before != o.errs[service]
	o.mu.Unlock()
	if err != nil && changed {
		o.log.Warn("an overlay network cannot be set up now", "entity", service, "err", err)
	}
	if err == nil || changed {
		for _, id := range m.wanted {
			o.queue.Add(id)
		}
	}
	return err
}

var errNoSubnet = errors.New("the shim gives out only subnets that other services have")

func (o *overlays) arrange(ctx context.Context, service ngsild.EntityID, m *membership) error {
	if len(m.wanted) == 0 {
		if err := o.shim.Remove(ctx, service); err != nil {
			return errors.Join(errUnreachable, err)
		}
		o.log.Info("overlay network taken down", "entity", service)
		return o.writeAddresses(ctx, m)
	}
	subnet, err := o.subnet(ctx, service, m)
	if err != nil {
		return err
	}
	taken := map[netip.Addr]bool{}
	for _, a := range m.address {
		taken[a] = true
	}
	var peers []overlay.Peer
	for _, id := range m.wanted {
		if _, ok := m.address[id]; !ok {
			if m.address[id], err = overlay.NextFree(subnet, taken); err != nil {
				return err
			}
			taken[m.address[id]] = true
		}
		pair, err := overlay.KeyOf(o.secret, service, id)
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(string(id), ":Component:")
		if name == "" {
			name = string(id)
		}
		peers = append(peers, overlay.Peer{Name: name, Public: pair.Public, Address: m.address[id]})
	}
	o.mu.Lock()
	for _, id := range m.wanted {
		if !m.bears[id] {
			o.given[id] = m.address[id]
		}
	}
	o.mu.Unlock()
	if err := o.shim.Configure(ctx, service, subnet, peers); err != nil {
		return errors.Join(errUnreachable, err)
	}
	o.log.Info("overlay network set up", "entity", service, "subnet", subnet, "components", len(peers))
	return o.writeAddresses(ctx, m)
}

// subnet is the network of a service: where its components are, or a new one
// that no other service has.
func (o *overlays) subnet(ctx context.Context, service ngsild.EntityID, m *membership) (netip.Prefix, error) {
	for _, id := range slices.Sorted(maps.Keys(m.address)) {
		return overlay.SubnetOf(m.address[id]), nil
	}
	used := map[netip.Prefix]bool{}
	o.tracker.each(func(_ ngsild.EntityID, rec *record) {
		text, _ := rec.entity.Text(attrAddress)
		if a, ok := overlay.ParseAddress(text); ok && !rec.absent && serviceOf(&rec.entity) != service {
			used[overlay.SubnetOf(a)] = true
		}
	})
	o.mu.Lock()
	for _, a := range o.given {
		used[overlay.SubnetOf(a)] = true
	}
	o.mu.Unlock()
	for range subnetTries {
		subnet, err := o.shim.Subnet(ctx, service)
		if err != nil {
			return subnet, errors.Join(errUnreachable, err)
		}
		if !used[subnet] {
			return subnet, nil
		}
	}
	return netip.Prefix{}, errNoSubnet
}

// writeAddresses has the entities bear the addresses of the members, and of
// nobody else.
func (o *overlays) writeAddresses(ctx context.Context, m *membership) error {
	values := map[ngsild.EntityID]string{}
	for id := range m.bears {
		values[id] = "urn:ngsi-ld:null"
	}
	for _, id := range m.wanted {
		values[id] = m.address[id].String()
	}
	for _, id := range slices.Sorted(maps.Keys(values)) {
		if m.bears[id] && values[id] != "urn:ngsi-ld:null" {
			continue
		}
		attrs := map[string]any{attrAddress: map[string]any{"type": "Property", "value": values[id]}}
		err := o.client.Merge(ctx, id, attrs)
		if err != nil && !isNotFound(err) {
			return fmt.Errorf("write the address of %s: %w", id, err)
		}
		o.mu.Lock()
		if values[id] == "urn:ngsi-ld:null" {
			delete(o.given, id)
		}
		o.mu.Unlock()
		o.tracker.update(id, func(rec *record) {
			rec.entity = pack(withAddress(rec.entity, values[id])) // so that the echo is a no-op
		})
		o.queue.Add(id)
	}
	return nil
}

// withAddress is a component after its address was written.
func withAddress(e ngsild.Entity, address string) ngsild.Entity {
	e.Attrs = maps.Clone(e.Attrs)
	if address == "urn:ngsi-ld:null" {
		delete(e.Attrs, attrAddress)
	} else if e.Attrs != nil {
		e.Attrs[attrAddress] = ngsild.Attribute{Kind: ngsild.Property, Value: address}
	}
	return e
}

// network is a component's place in the overlay network of its service; nil,
// nil: it has none. The problem says what it has to wait for.
func (r *reconciler) network(ctx context.Context, p *pass) (*allocation.Network, *problem, error) {
	o, service := r.overlays, p.input.Service
	if o == nil || service == nil || !r.handles(service) {
		return nil, nil, nil
	}
	if on, _ := service.Bool(attrOverlay); !on {
		return nil, nil, nil
	}
	wait := func(message string) (*allocation.Network, *problem, error) {
		return nil, &problem{mapping.Pending, reasonOverlayMissing, message}, nil
	}
	text, _ := p.entity.Text(attrAddress)
	address, ok := overlay.ParseAddress(text)
	o.mu.Lock()
	down, why := o.down[service.ID] != nil, o.errs[service.ID]
	o.mu.Unlock()
	switch {
	case down:
		return nil, nil, nil
	case !ok:
		o.look(service)
		if why == "" {
			why = "its place in the service's overlay network is being made"
		}
		return wait(why)
	}
	handler, err := r.handlerOf(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	if handler == nil {
		return wait("the entity of the domain that handles the service is not there")
	}
	public, _ := handler.Text("publicKey")
	u, err := url.Parse(publicURL(handler))
	if public == "" || err != nil || u.Hostname() == "" {
		return wait("the domain that handles the service says no publicKey or publicUrl")
	}
	pair, err := overlay.KeyOf(o.secret, service.ID, p.id)
	if err != nil {
		return nil, nil, err
	}
	subnet := overlay.SubnetOf(address)
	return &allocation.Network{
		Address: address.String(), DNS: overlay.ServerOf(subnet).String(), AllowedIPs: subnet.String(),
		PublicKey: public, Endpoint: net.JoinHostPort(u.Hostname(), overlayPort), PrivateKey: pair.Private,
	}, nil, nil
}

// handlerOf is the domain that handles a component's service, which is one of
// ours.
func (r *reconciler) handlerOf(ctx context.Context, p *pass) (*ngsild.Entity, error) {
	if id := firstLink(p.input.Service, "domainHandler"); id != "" {
		d, err := r.links.get(ctx, p.id, id)
		if err != nil {
			return nil, fmt.Errorf("read the domain that handles the service: %w", err)
		}
		return d, nil
	}
	for _, d := range r.links.ofType(typeDomain) {
		if r.domains.ours(d.ID) {
			return d, nil
		}
	}
	return nil, nil
}

// join puts a component of ours into its service's overlay network, before it is
// rendered.
func (r *reconciler) join(ctx context.Context, p *pass) error {
	if p.want != wanted && p.want != handover || p.order == removing || p.allocated != nil {
		return nil
	}
	n, waits, err := r.network(ctx, p)
	if err != nil || n == nil && waits == nil {
		return err
	}
	if waits != nil {
		p.problem = waits
		return nil
	}
	attrs := maps.Clone(p.input.Component.Attrs)
	attrs[allocation.AttrNetwork] = n.Attribute()
	p.input.Component.Attrs, p.network = attrs, n
	return nil
}
