package server

// SQLSTATE codes that decide what happens next. Source: PostgreSQL documentation, appendix A.
const (
	codeUniqueViolation      = "23505"
	codeInvalidPassword      = "28P01"
	codeDependentObjects     = "2BP01"
	codeInvalidCatalogName   = "3D000"
	codeSerializationFailure = "40001"
	codeDeadlockDetected     = "40P01"
	codeInsufficientRights   = "42501"
	codeDuplicateDatabase    = "42P04"
	codeDuplicateSchema      = "42P06"
	codeDuplicateObject      = "42710"
	codeDuplicateFunction    = "42723"
	codeTooManyConnections   = "53300"
	codeNotInState           = "55000"
	codeObjectInUse          = "55006"
	codeAdminShutdown        = "57P01"
	codeCrashShutdown        = "57P02"
	codeCannotConnectNow     = "57P03"
	codeDatabaseDropped      = "57P04"
	codeInternalError        = "XX000"
)
