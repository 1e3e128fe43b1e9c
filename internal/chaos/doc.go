// Package chaos holds the test that kills plattr at random moments and sees whether the next run finishes the job.
package chaos
