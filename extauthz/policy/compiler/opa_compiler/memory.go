package main

import (
	"bytes"
	"io/fs"
	"path"
	"sort"
	"time"
)

// memory is what OPA's loader finds instead of a disk: files and folders by their clean paths,
// absolute or not.
type memory map[string]*entry

type entry struct {
	name   string
	data   []byte
	folder bool
	within []fs.DirEntry
}

func (e *entry) Name() string               { return e.name }
func (e *entry) Size() int64                { return int64(len(e.data)) }
func (e *entry) ModTime() time.Time         { return time.Time{} }
func (e *entry) IsDir() bool                { return e.folder }
func (e *entry) Sys() any                   { return nil }
func (e *entry) Type() fs.FileMode          { return e.Mode().Type() }
func (e *entry) Info() (fs.FileInfo, error) { return e, nil }
func (e *entry) Mode() fs.FileMode {
	if e.folder {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

// remembered makes the tree of all files below the roots, which are there even if they are empty.
func remembered(files map[string][]byte, roots []string) memory {
	made := memory{}
	for _, root := range roots {
		if _, ok := files[root]; !ok {
			made.folder(path.Clean(root))
		}
	}
	for name, data := range files {
		name = path.Clean(name)
		file := &entry{name: path.Base(name), data: data}
		made[name] = file
		made.put(name, file)
	}
	for _, each := range made {
		sort.Slice(each.within, func(i, j int) bool { return each.within[i].Name() < each.within[j].Name() })
	}
	return made
}

func (m memory) folder(name string) *entry {
	if found, ok := m[name]; ok {
		return found
	}
	made := &entry{name: path.Base(name), folder: true}
	m[name] = made
	m.put(name, made)
	return made
}

func (m memory) put(name string, each *entry) {
	if over := path.Dir(name); over != name {
		folder := m.folder(over)
		folder.within = append(folder.within, each)
	}
}

func (m memory) find(name string) (*entry, error) {
	if found, ok := m[path.Clean(name)]; ok {
		return found, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (m memory) Stat(name string) (fs.FileInfo, error) { return m.find(name) }

func (m memory) ReadDir(name string) ([]fs.DirEntry, error) {
	found, err := m.find(name)
	if err != nil {
		return nil, err
	}
	return found.within, nil
}

func (m memory) ReadFile(name string) ([]byte, error) {
	found, err := m.find(name)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(found.data), nil
}

// Open is there because fs.FS has it: the loader calls what is above.
func (m memory) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
}
