// SPDX-License-Identifier: GPL-2.0-or-later
// Threads that map, protect, touch and unmap memory beside each other, for so many rounds each:
//
// churn ROUNDS THREADS

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <stdint.h>
static int rounds;
static void *work(void *arg){
  unsigned seed=(unsigned)(uintptr_t)arg*7919+1;
  char *kept[16]={0}; size_t len[16]={0};
  for(int i=0;i<rounds;i++){
    int k=rand_r(&seed)%16;
    if(!kept[k]){
      len[k]=4096*(1+rand_r(&seed)%8);
      kept[k]=mmap(NULL,len[k],rand_r(&seed)%3?PROT_READ|PROT_WRITE:PROT_NONE,MAP_PRIVATE|MAP_ANONYMOUS,-1,0);
      if(kept[k]==MAP_FAILED) abort();
    } else switch(rand_r(&seed)%4){
      case 0: munmap(kept[k],len[k]); kept[k]=0; break;
      case 1: mprotect(kept[k],4096,PROT_READ); break;
      case 2: mprotect(kept[k],len[k],PROT_READ|PROT_WRITE); kept[k][rand_r(&seed)%len[k]]=1; break;
      case 3: mprotect(kept[k],len[k],PROT_READ|PROT_WRITE); memset(kept[k],1,len[k]);
              if(rand_r(&seed)%2) madvise(kept[k],len[k],MADV_DONTNEED); break;
    }
  }
  return NULL;
}
int main(int argc,char**argv){
  rounds=atoi(argv[1]); int n=atoi(argv[2]);
  pthread_t t[64];
  for(intptr_t i=0;i<n;i++) pthread_create(&t[i],NULL,work,(void*)i);
  for(int i=0;i<n;i++) pthread_join(t[i],NULL);
  return 0;
}
