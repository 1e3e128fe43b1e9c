package ports

import (
	"net"
	"strconv"
	"testing"
)

func hold(t *testing.T, address string) int {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

func TestChooseKeepsAPort(t *testing.T) {
	t.Parallel()
	b := Book{}
	first, err := b.Choose(PostgREST, "shop")
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Choose(PostgREST, "board")
	if err != nil || second == first {
		t.Errorf("two applications get %d and %d, %v", first, second, err)
	}
	again, err := b.Choose(PostgREST, "shop")
	if err != nil || again != first {
		t.Errorf("the port changed from %d to %d, %v", first, again, err)
	}
}

func TestChooseLeavesATakenPort(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{"Loopback": "127.0.0.1:0", "AllAddresses": ":0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			taken := hold(t, address)
			b := Book{Key(S3, ""): taken}
			got, err := b.Choose(S3, "")
			if err != nil || got == taken {
				t.Fatalf("Choose() = %d, %v; %d is taken", got, err, taken)
			}
			if b[Key(S3, "")] != got {
				t.Error("the choice is not noted")
			}
		})
	}
}

func TestChooseBeyondTheRange(t *testing.T) {
	t.Parallel()
	b := Book{}
	seen := map[int]bool{}
	for i := range 60 {
		p, err := b.Choose(PostgREST, "app"+strconv.Itoa(i))
		if err != nil || seen[p] {
			t.Fatalf("application %d gets %d, %v", i, p, err)
		}
		seen[p] = true
	}
}

func TestNoUseTakesAnothersFavourite(t *testing.T) {
	t.Parallel()
	b := Book{}
	if l, err := net.Listen("tcp", "127.0.0.1:9000"); err == nil { // else something holds it already
		t.Cleanup(func() { _ = l.Close() })
	}
	got, err := b.Choose(S3, "")
	if err != nil || got == 9001 || got == 9002 {
		t.Errorf("Choose(S3) = %d, %v", got, err)
	}
}
