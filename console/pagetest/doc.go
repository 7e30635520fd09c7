// Package pagetest tests the console in a real browser: what a page shows, that it
// stays current under its strict policy, that a keyboard is enough, and how it
// looks. It has a module of its own, since it needs a library that drives
// Chromium; the browser itself is Debian's, which the tests install where there
// is none.
//
// The environment variable PAGETEST_SCREENSHOTS names a folder for pictures of all
// pages; without it they go to the tests' temporary folder.
package pagetest
